import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import pytest
import yaml

from bench.config import resolve as config
from bench.config.resolve import PRESETS, TrainerConfig, applies, build, resolve
from bench.errors import UsageError
from methods import METHODS
from tests.bench.conftest import tiny_config


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    pair: tuple[float, int] = (0.5, 1)


@dataclass(frozen=True)
class Outer:
    count: int = 1
    word: str = "a"
    flag: bool = False
    mode: Literal["fast", "slow"] = "fast"
    limit: float | None = None
    inner: Inner = field(default_factory=Inner)


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """Makes a tree the preset "smoke"."""

    def write(tree):
        (tmp_path / "presets").mkdir(exist_ok=True)
        (tmp_path / "presets" / "smoke.yaml").write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree))

    monkeypatch.setattr(config.resources, "files", lambda _package: tmp_path)
    return write


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("preset_name", PRESETS)
def test_every_preset_resolves_for_every_method(name, preset_name):
    (resolved,) = resolve([name], "polymnist", "bundled", preset_name, [])
    assert (resolved.method, resolved.preset, resolved.source) == (name, preset_name, "bundled")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"inner": {"rate": "1e-3"}}, Outer(inner=Inner(rate=0.001))),  # YAML reads 1e-3 as text
        ({"inner": {"rate": 2}}, Outer(inner=Inner(rate=2.0))),
        ({"inner": {"pair": [0, 3]}}, Outer(inner=Inner(pair=(0.0, 3)))),
        ({"limit": None}, Outer()),
        ({"limit": "2"}, Outer(limit=2.0)),
        ({"flag": True, "mode": "slow", "word": "b", "count": 5}, Outer(5, "b", True, "slow")),
    ],
)
def test_values_are_read_by_their_declared_type(values, expected):
    built = build(Outer, values, "here")
    assert built == expected
    assert type(built.inner.rate) is type(built.inner.pair[0]) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": True}, "here: count: expected int, got True"),
        ({"count": 1.0}, "expected int, got 1.0"),
        ({"count": "1"}, "expected int, got '1'"),
        ({"flag": 1}, "expected bool, got 1"),
        ({"word": 1}, "expected str, got 1"),
        ({"inner": {"rate": True}}, "here: inner: rate: expected float, got True"),
        ({"inner": {"rate": "fast"}}, "expected float, got 'fast'"),
        ({"inner": {"rate": "nan"}}, "expected float, got 'nan'"),
        ({"inner": {"rate": float("inf")}}, "expected float, got inf"),
        ({"inner": {"rate": None}}, "expected float, got None"),
        ({"limit": "x"}, "expected float, got 'x'"),
        ({"inner": {"pair": [0.5]}}, r"expected 2 values, got \[0.5\]"),
        ({"inner": {"pair": 0.5}}, "expected 2 values, got 0.5"),
        ({"inner": {"pair": [0.5, 1.5]}}, "expected int, got 1.5"),
        ({"inner": 3}, "expected keys and values, got 3"),
        ({"inner": {"rat": 3}}, "here: inner: unknown key 'rat': did you mean 'rate'"),
        ({"mode": "slwo"}, r"unknown value 'slwo': did you mean 'slow'\? \(allowed: fast, slow\)"),
        ({"mode": 1}, "unknown value '1'"),
        ({"coutn": 1}, "here: unknown key 'coutn': did you mean 'count'"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        build(Outer, values, "here")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainer.epochs=0", "epochs=0: must be ≥ 1"),
        ("trainer.batch_size=1", "batch_size=1: must be ≥ 2"),
        ("trainer.lr=0", "lr=0.0: must be > 0"),
        ("trainer.warmup=1", r"warmup=1.0: must be in \[0, 1\)"),
        ("trainer.schedule=cosin", "unknown value 'cosin': did you mean 'cosine'"),
        ("evaluation.samples=0", "samples=0: must be ≥ 1"),
        ("evaluation.batch_size=0", "batch_size=0: must be ≥ 1"),
        ("trainer.epoch=3", "unknown key 'trainer.epoch': did you mean 'trainer.epochs'"),
        ("trainr.epochs=3", "unknown key 'trainr.epochs': did you mean 'trainer.epochs'"),
        ("evaluation.sample=3", "did you mean 'evaluation.samples'"),
        ("latent_dims=3", "unknown key 'latent_dims': did you mean 'latent_dim'"),
        ("prior.scal=3", "did you mean 'prior.scale'"),
        ("trainer=3", "unknown key 'trainer'"),
        ("prior={scale: 3}", "unknown key 'prior'"),
        ("prior.scale.x=3", "unknown key 'prior.scale.x'"),
        ("beta", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("beta=[", "the value '\\[' cannot be read"),
    ],
)
def test_settings_that_do_not_fit_are_refused(setting, message):
    with pytest.raises(UsageError, match=message):
        tiny_config("mmvae", setting)


def test_unknown_names_are_refused_with_a_suggestion():
    with pytest.raises(UsageError, match="unknown method 'mmvea': did you mean 'mmvae'"):
        resolve(["mmvea"], "toy", "bundled", "smoke", [])
    with pytest.raises(UsageError, match="unknown preset 'smok': did you mean 'smoke'"):
        resolve(["mmvae"], "toy", "bundled", "smok", [])


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"trainr": {}, "methods": {}}, "smoke.yaml: unknown section 'trainr': did you mean 'trainer'"),
        ({"methods": {"mmvea": {}}}, "smoke.yaml: unknown method 'mmvea': did you mean 'mmvae'"),
        ({"trainer": {"epoch": 3}, "methods": {}}, r"mmvae \(smoke\): trainer: unknown key 'epoch'"),
        ({"evaluation": {"sample": 3}, "methods": {}}, r"evaluation: unknown key 'sample': did you mean 'samples'"),
        ({"methods": {"mmvae": {"betta": 3}}}, r"mmvae \(smoke\): unknown key 'betta': did you mean 'beta'"),
        ({"methods": {"mmvae": {"trainer": {"lrr": 3}}}}, "trainer: unknown key 'lrr': did you mean 'lr'"),
        ({"trainer": {"epochs": "many"}, "methods": {}}, "trainer: epochs: expected int, got 'many'"),
    ],
)
def test_presets_that_do_not_fit_are_refused(preset, tree, message):
    preset(tree)
    with pytest.raises(UsageError, match=message):
        resolve(["mmvae"], "toy", "bundled", "smoke", [])


def test_settings_beat_the_methods_part_which_beats_the_preset_which_beats_defaults(preset):
    own = {"beta": 3.0, "latent_dim": 5, "trainer": {"lr": 0.2, "epochs": 7}}
    preset({"trainer": {"lr": 0.1, "epochs": 5, "batch_size": 9}, "methods": {"mmvae": own}})
    settings = ["trainer.lr=0.3", "beta=4", "beta=5", "prior.scale=2"]
    mine, other = resolve(["mmvae", "mmvaeplus"], "toy", "bundled", "smoke", settings)
    assert mine.trainer == TrainerConfig(epochs=7, batch_size=9, lr=0.3)
    assert other.trainer == TrainerConfig(epochs=5, batch_size=9, lr=0.3)
    assert (mine.model.latent_dim, mine.model.beta, mine.model.samples, mine.model.prior.scale) == (5, 5.0, 1, 2.0)


def test_text_in_a_preset_is_read_as_a_number(preset):
    preset("trainer: {lr: 1e-3}\nmethods: {}")
    assert resolve(["mmvae"], "toy", "bundled", "smoke", [])[0].trainer.lr == 0.001
    assert tiny_config("mmvae", "trainer.lr=2e-4").trainer.lr == 0.0002


def test_a_setting_of_some_methods_goes_past_the_others():
    mmvae, ebm = resolve(["mmvae", "ebm-base"], "toy", "bundled", "smoke", ["prior.steps=7"])
    assert (mmvae.hash, ebm.model.prior.steps) == (resolve(["mmvae"], "toy", "bundled", "smoke", [])[0].hash, 7)
    assert (applies("mmvae", "prior.steps=7"), applies("ebm-base", "prior.steps=7")) == (False, True)
    with pytest.raises(UsageError, match=r"--set prior.steps: unknown key 'prior.steps'"):
        resolve(["mmvae", "mmvaeplus"], "toy", "bundled", "smoke", ["prior.steps=7"])


CHANGES = [
    *["trainer.epochs=4", "trainer.batch_size=8", "trainer.lr=1e-5", "trainer.amsgrad=true"],
    *["trainer.schedule=cosine", "trainer.warmup=0.1", "evaluation.samples=7", "evaluation.batch_size=3"],
    *["network=conv", "latent_dim=5", "posterior=normal-softplus", "beta=3", "samples=2", "objective=dreg"],
    *["beta_warmup=0.7", "experts=all", "prior.family=laplace", "prior.scale=2", "prior.steps=4", "prior.clip=3"],
    *["prior.step_size=0.3", "prior.betas=[0.1, 0.2]", "prior.lr=0.5", "prior.chains=4", "prior.penalty=9"],
]


def test_every_setting_that_changes_numbers_changes_the_hash():
    hashes = {tiny_config("ebm-base", change).hash for change in CHANGES}
    assert len(hashes | {tiny_config("ebm-base").hash}) == len(CHANGES) + 1


def test_the_hash_knows_method_dataset_and_source_but_not_the_presets_name():
    base = tiny_config()
    same = dataclasses.replace(base, preset="another")
    others = [dataclasses.replace(base, **{key: "another"}) for key in ("method", "dataset", "source")]
    assert same.hash == base.hash
    assert len({base.hash, *(other.hash for other in others)}) == 4


def test_the_hash_does_not_depend_on_the_order_or_spelling_of_settings():
    one = tiny_config("mmvae", "beta=2", "trainer.lr=1e-3")
    two = tiny_config("mmvae", "trainer.lr=0.001", "beta=2.0")
    assert one.hash == two.hash


def swept(methods, *sweeps, settings=()):
    return resolve(methods, "toy", "bundled", "smoke", settings, sweeps)


def test_sweeps_are_a_grid():
    configs = swept(["ebm-base"], "trainer.lr=1e-3,5e-4", "prior.steps=20,60", settings=["trainer.epochs=3"])
    points = [(config.trainer.lr, config.model.prior.steps, config.trainer.epochs) for config in configs]
    assert points == [(0.001, 20, 3), (0.001, 60, 3), (0.0005, 20, 3), (0.0005, 60, 3)]
    assert len({config.hash for config in configs}) == 4


def test_a_swept_configuration_is_the_one_that_set_gives():
    (config,) = swept(["mmvae"], "trainer.lr=5e-4")
    assert config == resolve(["mmvae"], "toy", "bundled", "smoke", ["trainer.lr=5e-4"])[0]


def test_a_key_that_a_method_does_not_have_multiplies_nothing_for_it():
    configs = swept(["mmvae", "ebm-base"], "prior.steps=2,3", "beta=1,2")
    assert [config.method for config in configs] == ["mmvae"] * 2 + ["ebm-base"] * 4


def test_values_that_mean_the_same_are_one_configuration():
    assert len(swept(["mmvae"], "trainer.lr=1e-3,0.001,1.0e-3")) == 1


def test_a_swept_value_may_have_commas_of_its_own():
    configs = swept(["ebm-base"], "prior.betas=[0,0.9],[0.5,0.999]")
    assert [config.model.prior.betas for config in configs] == [(0.0, 0.9), (0.5, 0.999)]


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        (["beta"], "expected KEY=VALUE,VALUE"),
        (["beta="], "expected KEY=VALUE,VALUE"),
        (["=1,2"], "expected KEY=VALUE,VALUE"),
        (["beta=1,[2"], "cannot be read"),
        (["beta=1,,2"], "cannot be read"),
        (["beta=1", "beta=2"], "--sweep beta is given twice"),
        (["latent_dim=1,2"], "latent_dim: given to --set and to --sweep"),
        (["bet=1,2"], "--sweep bet: unknown key 'bet': did you mean 'beta'"),
        (["beta=1,many"], "expected float, got 'many'"),
        (["trainer.lr=1e-3,0"], "lr=0.0: must be > 0"),
    ],
)
def test_sweeps_that_do_not_fit_are_refused(sweeps, message):
    with pytest.raises(UsageError, match=message):
        swept(["mmvae"], *sweeps, settings=["latent_dim=4"])
