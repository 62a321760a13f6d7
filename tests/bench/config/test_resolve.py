import time

import pytest

from bench.config.resolve import applies, without
from bench.config.schema import RunConfig
from bench.errors import UsageError
from tests.bench.config.conftest import configure, hetero, one


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainer.epochs=0", "epochs=0: must be ≥ 1"),
        ("trainer.batch_size=1", "batch_size=1: must be ≥ 2"),
        ("trainer.lr=0", "lr=0.0: must be > 0"),
        ("trainer.warmup=1", r"warmup=1.0: must be in \[0, 1\)"),
        ("trainer.schedule=cosin", "unknown value 'cosin': did you mean 'cosine'"),
        ("trainer.epoch=3", "unknown key 'trainer.epoch': did you mean 'trainer.epochs'"),
        ("trainr.epochs=3", "unknown key 'trainr.epochs': did you mean 'trainer.epochs'"),
        ("latent_dims=3", "unknown key 'latent_dims': did you mean 'latent_dim'"),
        ("prior.scal=3", "did you mean 'prior.scale'"),
        ("trainer=3", "unknown key 'trainer'"),
        ("prior.scale.x=3", "unknown key 'prior.scale.x'"),
        ("prior.name=energy", "unknown key 'prior.name'"),
        ("modalities.m0.wait=3", "unknown key 'modalities.m0.wait': did you mean 'modalities.m0.weight'"),
        ("modalities.m7.weight=3", "unknown key 'modalities.m7.weight': did you mean 'modalities.m"),
        ("modalities.m0.kind=text", "unknown key 'modalities.m0.kind'"),
        ("modalities=3", "unknown key 'modalities'"),
        ("modalities.*.weight=0", "modalities: m0: weight=0.0: must be > 0"),
        ("modalities.*.likelihood=categorical", "likelihood='categorical': must be one of laplace, normal, bernoulli"),
        ("network=conf", "network: image: unknown value 'conf': did you mean 'conv'"),
        ("network.video=conv", "unknown key 'network.video'"),
        ("prior=enrgy", "prior: unknown prior 'enrgy': did you mean 'energy'"),
        ("prior=bootstrap", "bootstrap is fitted to trained models, by bench evaluate --prior"),
        ("prior=3", "prior: expected one word, got 3"),
        ("prior={scale: 3}", "prior: expected one word, got {'scale': 3}. Its keys are set by prior"),
        ("beta", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("beta=[", r"--set 'beta=\[': the value '\[': cannot be read"),
        ("..=1", "unknown key '..'"),
        ("trainer.=1", "unknown key 'trainer.'"),
        # Numbers are decimal or refused.
        ("trainer.epochs=010", "trainer: epochs: expected int, got '010'"),
        ("trainer.epochs=1:30", "expected int, got '1:30'"),
        ("trainer.epochs=0x10", "expected int, got '0x10'"),
        ("trainer.epochs=1_000", "expected int, got '1_000'"),
        ("trainer.epochs=yes", "expected int, got 'yes'"),
        ("trainer.epochs=١٢", "expected int, got '١٢'"),
        ("trainer.epochs=1e3", "expected int, got 1000.0"),
        ("trainer.epochs=99999999999999999999", "is too large"),
        ("trainer.lr=01e-3", "expected float, got '01e-3'"),
        ("trainer.lr=1e999", "expected float, got inf"),
        ("trainer.lr=.inf", "expected float, got '.inf'"),
        ("trainer.amsgrad=no", "expected bool, got 'no'"),
        ("trainer.lr=2001-99-99", "expected float, got '2001-99-99'"),
        ("trainer.epochs=!!int abc", "cannot be read .line 1: tags such as !!int are not allowed"),
        ("trainer.epochs=", "expected int, got None"),
        ("network=\x1b[31m", r"--set 'network=\\x1b\[31m': has characters that cannot be shown"),
        ('network="\\e[31m"', r"unknown value '\\x1b\[31m'"),
        ("be\nta=3", "has characters that cannot be shown"),
        ("beta=\udcff", "has characters that cannot be shown"),
    ],
)
def test_settings_that_do_not_fit_are_refused(setting, message):
    with pytest.raises(UsageError, match=message) as error:
        one("mmvae", setting)
    assert str(error.value).isprintable()


def test_unknown_names_are_refused_with_a_suggestion():
    with pytest.raises(UsageError, match="unknown method 'mmvea': did you mean 'mmvae'"):
        one("mmvea")
    with pytest.raises(UsageError, match="unknown preset 'smok': did you mean 'smoke'"):
        one(preset="smok")


def test_a_prior_is_chosen_by_its_name_with_the_presets_settings_of_it():
    assert one("mmvae").model.prior.name == "laplace"
    energy = one("mmvae", "prior=energy").model.prior
    assert (energy.name, energy.width, energy.steps) == ("energy", 32, 10)
    assert one("mmvae", "prior=normal").model.prior.scale == 1.0  # the class's default


def test_the_prior_that_a_method_has_already_keeps_its_settings(preset):
    tree = {"trained_priors": {"energy": {"steps": 5}}, "methods": {"ebm-base": {"prior": {"steps": 7, "width": 3}}}}
    folder = preset(tree)
    assert one("ebm-base", "prior=energy", presets=folder) == one("ebm-base", presets=folder)
    assert one("ebm-base", "prior=laplace", presets=folder).model.prior.name == "laplace"


@pytest.mark.parametrize(
    "settings",
    [
        ("prior=energy", "prior.steps=20"),
        ("network=conv", "network.text=patch"),
        ("modalities.*.weight=2", "modalities.photo.weight=3"),
    ],
)
def test_the_particular_setting_counts_in_whatever_order(settings):
    one_way, other = hetero("mmvae", *settings), hetero("mmvae", *reversed(settings))
    assert one_way == other
    assert one_way.hash == other.hash
    assert one_way != hetero("mmvae", settings[0])


def test_words_and_stars_stand_for_all():
    config = hetero("mmvae", "network=conv", "network.text=patch", "modalities.*.weight=2", "modalities.photo.weight=3")
    assert (config.model.network.image, config.model.network.text) == ("conv", "patch")
    assert {name: m.weight for name, m in config.modalities.items()} == {"photo": 3.0, "sketch": 2.0, "caption": 2.0}


def test_a_setting_of_some_methods_goes_past_the_others():
    mmvae, ebm = configs = configure(["mmvae", "ebm-base"], "prior.steps=7")
    assert (mmvae.hash, ebm.model.prior.steps) == (one("mmvae").hash, 7)
    assert [applies(config, "prior.steps=7") for config in configs] == [False, True]
    assert without(configs, "prior.steps=7") == ["mmvae"]
    assert [without(configs, s) for s in ("prior=energy", "beta=1", "trainer.lr=1", "evaluation.samples=2")] == [[]] * 4
    assert [without(configs, f"modalities.{name}.scale=1") for name in ("*", "m0")] == [[], []]
    with pytest.raises(UsageError, match=r"unknown key 'prior\.steps' without prior=energy"):
        configure(["mmvae", "mmvaeplus"], "prior.steps=7")


def test_a_setting_of_a_prior_applies_where_the_prior_is_chosen():
    configs = configure(["mmvae", "mvae"], "prior=energy", "prior.steps=7")
    assert [config.model.prior.steps for config in configs] == [7, 7]
    assert without(configs, "prior.steps=7") == []


def test_a_sweep_over_priors_sweeps_each_priors_own_settings():
    configs = configure(["mmvae"], sweeps=["prior=laplace,energy", "prior.steps=2,3", "prior.scale=1,2"])
    points = [(c.model.prior.name, getattr(c.model.prior, "steps", None), c.model.prior.scale) for c in configs]
    assert points == [
        *[("laplace", None, 1.0), ("laplace", None, 2.0)],
        *[("energy", 2, 1.0), ("energy", 2, 2.0), ("energy", 3, 1.0), ("energy", 3, 2.0)],
    ]
    assert len({config.hash for config in configs}) == 6
    assert without(configs, "prior.steps=2,3") == ["mmvae with prior=laplace"]


def test_sweeps_are_a_grid():
    configs = configure(["ebm-base"], "trainer.epochs=3", sweeps=["trainer.lr=1e-3,5e-4", "prior.steps=20,60"])
    points = [(config.trainer.lr, config.model.prior.steps, config.trainer.epochs) for config in configs]
    assert points == [(0.001, 20, 3), (0.001, 60, 3), (0.0005, 20, 3), (0.0005, 60, 3)]
    assert len({config.hash for config in configs}) == 4


def test_a_swept_configuration_is_the_one_that_set_gives():
    (config,) = configure(["mmvae"], sweeps=["trainer.lr=5e-4"])
    assert config == one("mmvae", "trainer.lr=5e-4")
    weights = configure(["mmvae"], sweeps=["modalities.m0.weight=1,2"])
    assert weights == [one("mmvae"), one("mmvae", "modalities.m0.weight=2")]


def test_a_key_that_a_method_does_not_have_multiplies_nothing_for_it():
    configs = configure(["mmvae", "ebm-base"], sweeps=["prior.steps=2,3", "beta=1,2"])
    assert [config.method for config in configs] == ["mmvae"] * 2 + ["ebm-base"] * 4


def test_values_that_mean_the_same_are_one_configuration():
    assert len(configure(["mmvae"], sweeps=["trainer.lr=1e-3,0.001,1.0e-3"])) == 1
    assert len(configure(["mmvae"], sweeps=["beta=0,-0.0,0.0"])) == 1


def test_a_swept_value_may_have_commas_of_its_own():
    configs = configure(["ebm-base"], sweeps=["prior.betas=[0,0.9],[0.5,0.999]"])
    assert [config.model.prior.betas for config in configs] == [(0.0, 0.9), (0.5, 0.999)]


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        (["beta"], "expected KEY=VALUE,VALUE"),
        (["beta="], "expected KEY=VALUE,VALUE"),
        (["=1,2"], "expected KEY=VALUE,VALUE"),
        (["beta=1,[2"], "cannot be read"),
        (["beta=1,,2"], "cannot be read"),
        (["beta=1], [2"], "cannot be read"),
        (["beta=1", "beta=2"], "--sweep beta is given twice"),
        (["latent_dim=1,2"], "latent_dim: both set and swept"),
        (["bet=1,2"], "unknown key 'bet': did you mean 'beta'"),
        (["beta=1,many"], "expected float, got 'many'"),
        (["beta=010,020"], "expected float, got '010'"),
        (["samples=10,020"], "expected int, got '020'"),
        (["beta=1,\x07"], "has characters that cannot be shown"),
        (["prior=laplace,3"], "prior: expected one word, got 3"),
        (["trainer.lr=1e-3,0"], "lr=0.0: must be > 0"),
        (["evaluation.samples=10,20"], "evaluation.samples cannot be swept: it is no setting of a run"),
        (
            ["evaluators.likelihood.samples=10,20"],
            "evaluators.likelihood.samples cannot be swept: it is no setting of a run",
        ),
    ],
)
def test_sweeps_that_do_not_fit_are_refused(sweeps, message):
    with pytest.raises(UsageError, match=message):
        configure(["mmvae"], "latent_dim=4", sweeps=sweeps)


def test_ten_thousand_combinations_take_seconds_and_more_than_a_hundred_thousand_are_refused():
    hundred = ",".join(map(str, range(1, 101)))
    sweeps = [f"prior.steps={hundred}", f"prior.width={hundred}"]
    started = time.perf_counter()
    configs = configure(["ebm-base"], sweeps=sweeps)
    assert (len(configs), len({config.hash for config in configs})) == (10_000, 10_000)
    assert time.perf_counter() - started < 10  # about 1 on a machine with nothing else to do
    with pytest.raises(UsageError, match="1,000,000 combinations are more than 100,000; sweep fewer"):
        configure(["ebm-base"], sweeps=[*sweeps, f"prior.chains={hundred}"])
    with pytest.raises(UsageError, match="1,000,000 combinations"):
        configure(["mmvae"], sweeps=[f"{key}={','.join(['conv'] * 1000)}" for key in ("network", "network.image")])


def test_two_configurations_with_one_hash_are_never_one_run(monkeypatch):
    monkeypatch.setattr(RunConfig, "hash", property(lambda self: "0badc0de"))
    assert len(configure(["mmvae"], sweeps=["latent_dim=4,4"])) == 1
    with pytest.raises(UsageError, match=r"two of these 2 configurations have the hash 0badc0de.*in two parts"):
        configure(["mmvae"], sweeps=["latent_dim=4,5"])
