import itertools

import pytest
import yaml

from bench.config.folders import preset_names, presets_folder
from bench.config.presets import load_preset
from bench.errors import UsageError
from methods import METHODS
from methods.mmvae import MMVAE
from methods.modality import ImageModality, TextModality
from tests.bench.config.conftest import configure, one

PRESETS = preset_names(presets_folder("polymnist"))
BIRDS = preset_names(presets_folder("cub"))


def test_presets_are_listed_from_the_cheapest(preset):
    assert PRESETS == ["smoke", "quick", "overnight", "paper"]
    assert BIRDS == ["smoke", "quick", "paper"]
    for name in ("paper", "mine", "smoke"):
        folder = preset({}, name)
    (folder / "notes.txt").write_text("no preset")
    assert preset_names(folder) == ["smoke", "paper", "mine"]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("preset_name", PRESETS)
def test_every_preset_has_every_method(name, preset_name):
    config = one(name, preset=preset_name)
    assert (config.method, config.preset) == (name, preset_name)
    assert config.model.prior.name == (
        "energy" if name.startswith("ebm") else "laplace" if "vae" in name[1:] and name not in {"mvae"} else "normal"
    )


def test_arrays_have_every_method_too():
    folder = presets_folder("arrays")
    assert preset_names(folder) == ["smoke", "quick"]
    for name, preset_name in itertools.product(METHODS, preset_names(folder)):
        ours, theirs = one(name, preset=preset_name, presets=folder), one(name, preset=preset_name)
        assert ours.model.prior.name == theirs.model.prior.name


def bird(name, *settings, preset):
    image, caption = ImageModality("image", (3, 64, 64)), TextModality("caption", (32,))
    return one(name, *settings, preset=preset, modalities=(image, caption), presets=presets_folder("cub"))


@pytest.mark.parametrize("preset_name", BIRDS)
def test_cub_has_every_method_with_the_published_weights(preset_name):
    for name in METHODS:
        config = bird(name, preset=preset_name)
        normal = preset_name == "paper" and name == "mmvaeplus"  # as the release has it on CUB
        assert config.model.prior.name == ("normal" if normal else one(name).model.prior.name)
        weights = {m: likelihood.weight for m, likelihood in config.modalities.items()}
        published = {"image": pytest.approx(32 / (3 * 64 * 64)), "caption": 5.0}
        assert weights == ({"image": 0.06, "caption": 2.0} if preset_name == "quick" else published)
        assert config.modalities["image"].scale == 0.01
    padded = bird("mmvae", preset=preset_name).modalities["caption"].likelihood == "categorical-padded"
    assert padded == (preset_name == "paper")
    energy = bird("mmvae", "prior=energy", preset=preset_name).model.prior
    assert energy == bird("ebm-base", preset=preset_name).model.prior


@pytest.mark.parametrize("preset_name", PRESETS)
def test_the_preset_has_settings_for_an_energy_under_any_method(preset_name):
    ours, tuned = one("mmvae", "prior=energy", preset=preset_name), one("ebm-base", preset=preset_name)
    assert ours.model.prior == tuned.model.prior
    assert one("mvtcae", "prior=energy", preset=preset_name).model.prior == tuned.model.prior


def test_numbers_are_those_of_the_published_settings():
    paper = {name: one(name, preset="paper") for name in METHODS}
    assert paper["mvtcae"].model.alpha == 5 / 6
    assert {name: config.trainer.lr for name, config in paper.items() if config.trainer.epochs == 300} == {
        **dict.fromkeys(("mvae", "mmjsd", "mopoe"), 5e-4),
        **dict.fromkeys(("mvtcae", "moe-elbo"), 1e-3),
    }
    energy = one("ebm-base", preset="quick").model.prior
    assert (energy.base, energy.scale, energy.steps, energy.betas) == ("normal", 1.0, 100, (0.5, 0.999))


def test_a_night_makes_the_steps_of_the_releases_on_all_of_the_digits():
    tuples = 60_000
    for name in METHODS:
        trainer = one(name, preset="overnight").trainer
        assert trainer.epochs * (tuples // trainer.batch_size) >= 70_000
        with pytest.raises(UsageError, match="'overnight' is made for the source 'official' or 'rebuilt', and this is"):
            one(name, preset="overnight", source="bundled")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"trainr": {}}, "smoke.yaml: unknown section 'trainr': did you mean 'trainer'"),
        ({"methods": {"mmvea": {}}}, "smoke.yaml: unknown method 'mmvea': did you mean 'mmvae'"),
        ({"evaluators": {"joynt": {}}}, "smoke.yaml: unknown evaluator 'joynt': did you mean 'joint'"),
        ({"priors": {"flo": {}}}, "smoke.yaml: unknown prior 'flo': did you mean 'flow'"),
        ({"trained_priors": {"enrgy": {}}}, "smoke.yaml: unknown trained prior 'enrgy': did you mean 'energy'"),
        ({"trainer": {"epoch": 3}}, r"mmvae \(smoke\): trainer: unknown key 'epoch'"),
        ({"evaluation": {"sample": 3}}, r"evaluation \(smoke\): unknown key 'sample': did you mean 'samples'"),
        ({"evaluators": {"likelihood": {"sample": 3}}}, "evaluators: likelihood: unknown key 'sample'"),
        ({"priors": {"mixture": {"component": 3}}}, "priors: mixture: unknown key 'component'"),
        ({"priors": {"mixtures": {}}}, "unknown prior 'mixtures'"),
        ({"methods": {"mmvae": {"betta": 3}}}, r"mmvae \(smoke\): unknown key 'betta': did you mean 'beta'"),
        ({"methods": {"mmvae": {"trainer": {"lrr": 3}}}}, "trainer: unknown key 'lrr': did you mean 'lr'"),
        ({"methods": {"mmvae": {"trainer": 3}}}, "mmvae: trainer: expected keys and values, got 3"),
        ({"methods": {"mmvae": {"prior": "enrgy"}}}, r"mmvae \(smoke\): prior: unknown prior 'enrgy'"),
        ({"methods": {"mmvae": {"prior": ["energy"]}}}, r"prior: expected keys and values, got \['energy'\]"),
        ({"methods": {"mmvae": {"network": None}}}, "network: expected keys and values, got None"),
        ({"methods": {"mmvae": 3}}, "smoke.yaml: methods: mmvae: expected keys and values, got 3"),
        ({"methods": ["mmvae"]}, "smoke.yaml: methods: expected keys and values"),
        ({"sources": "official"}, "smoke.yaml: sources: expected a list of names, got 'official'"),
        ({"sources": [1]}, r"smoke.yaml: sources: expected a list of names, got \[1\]"),
        ({"trainer": {"epochs": "many"}}, "trainer: epochs: expected int, got 'many'"),
        ({"modalities": {"m9": {"weight": 2}}}, r"mmvae \(smoke\): modalities: unknown modality 'm9'"),
        ({"modalities": {"*": {"wait": 2}}}, r"modalities: \*: unknown key 'wait': did you mean 'weight'"),
        ({"modalities": {"*": {"kind": "text"}}}, "unknown key 'kind'"),
        ({"modalities": {"m0": 3}}, "modalities: m0: expected keys and values, got 3"),
        ({"modalities": {"m0": {"likelihood": "cauchy"}}}, "m0: likelihood='cauchy': must be one of laplace, normal"),
        ("trainer: {epochs: 010}\nmethods: {mmvae: {}}", "epochs: expected int, got '010'"),
        ("trainer: {epochs: 1:30}\nmethods: {mmvae: {}}", "epochs: expected int, got '1:30'"),
        ("trainer: {amsgrad: yes}\nmethods: {mmvae: {}}", "amsgrad: expected bool, got 'yes'"),
        ("trainer: {lr: 1}\ntrainer: {lr: 2}", "smoke.yaml: cannot be read .line 2: the key 'trainer' is given twice"),
        ("methods: [", "smoke.yaml: cannot be read"),
        ("7", "smoke.yaml: expected keys and values, got 7"),
    ],
)
def test_presets_that_do_not_fit_are_refused(preset, tree, message):
    if isinstance(tree, dict):
        tree = {"methods": {"mmvae": {}}, **tree}
    with pytest.raises(UsageError, match=message):
        one(presets=preset(tree))


def test_files_that_are_none_are_refused(preset, tmp_path):
    with pytest.raises(UsageError, match=r"the dataset 'toy' has no presets: there is no PRESET.yaml in"):
        one(presets=tmp_path / "none")
    folder = preset({})
    with pytest.raises(UsageError, match="unknown preset 'smok': did you mean 'smoke'"):
        load_preset("toy", "smok", folder)
    with pytest.raises(UsageError, match="unknown preset"):
        load_preset("toy", "../smoke", folder)
    with pytest.raises(UsageError, match=r"'../toy' is no name of a dataset"):
        load_preset("../toy", "smoke")
    (folder / "smoke.yaml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"smoke.yaml: cannot be read"):
        load_preset("toy", "smoke", folder)


def test_a_method_without_an_entry_is_told_what_to_add(preset):
    folder = preset({"methods": {"mmvae": {}}})
    with pytest.raises(UsageError, match=r"smoke.yaml: the method 'mopoe' has no entry") as error:
        one("mopoe", presets=folder)
    (line,) = [line for line in str(error.value).splitlines() if line.startswith("  mopoe: {")]
    entry = yaml.safe_load(line)
    assert (
        one("mopoe", presets=preset({"methods": entry})).model
        == one("mopoe", presets=preset({"methods": {"mopoe": None}})).model
    )


def test_a_method_takes_the_entry_of_the_one_that_it_is_like(preset, monkeypatch):
    monkeypatch.setattr(MMVAE, "like", "mmvaeplus", raising=False)
    own = {"beta": 3.0, "private_dim": 7, "trainer": {"lr": 0.5}}
    config = one("mmvae", presets=preset({"methods": {"mmvaeplus": own}}))
    assert (config.model.beta, config.trainer.lr) == (3.0, 0.5)
    with pytest.raises(UsageError, match="its class is like 'mmvaeplus', which has none either"):
        one("mmvae", presets=preset({"methods": {}}))


def test_classes_that_are_like_each_other_are_no_circle(preset, monkeypatch):
    monkeypatch.setattr(MMVAE, "like", "mmvae", raising=False)
    with pytest.raises(UsageError, match="the method 'mmvae' has no entry"):
        one("mmvae", presets=preset({"methods": {}}))


def test_settings_beat_the_methods_entry_which_beats_the_preset_which_beats_defaults(preset):
    own = {"beta": 3.0, "latent_dim": 5, "trainer": {"lr": 0.2, "epochs": 7}}
    tree = {"trainer": {"lr": 0.1, "epochs": 5, "batch_size": 9}, "methods": {"mmvae": own, "mmvaeplus": {}}}
    settings = ["trainer.lr=0.3", "beta=4", "beta=5", "prior.scale=2"]
    mine, other = configure(["mmvae", "mmvaeplus"], *settings, presets=preset(tree))
    assert (mine.trainer.epochs, mine.trainer.batch_size, mine.trainer.lr) == (7, 9, 0.3)
    assert (other.trainer.epochs, other.trainer.batch_size, other.trainer.lr) == (5, 9, 0.3)
    assert (mine.model.latent_dim, mine.model.beta, mine.model.samples, mine.model.prior.scale) == (5, 5.0, 1, 2.0)


def test_a_preset_may_hold_tuples_out_for_all_methods_or_for_one(preset):
    folder = preset(
        {
            "trainer": {"validation": 0.1, "validate_every": 10},
            "methods": {"mmvae": {}, "mvae": {"trainer": {"validation": 0}}},
        }
    )
    mine, other = configure(["mmvae", "mvae"], presets=folder)
    assert (mine.trainer.validation, mine.trainer.validate_every, other.trainer.validation) == (0.1, 10, 0.0)
    assert one("mmvae", "trainer.validation=0", presets=folder).trainer.validation == 0.0


def test_an_entry_keeps_the_rest_of_what_it_sets_in_part(preset):
    tree = {"trained_priors": {"energy": {"steps": 5, "width": 9}}}
    tree["methods"] = {"ebm-base": {"network": {"text": "conv"}, "prior": {"width": 7}}}
    model = one("ebm-base", presets=preset(tree)).model
    assert (model.network.image, model.network.text) == ("resnet", "conv")  # the class's default, and the entry's
    assert (model.prior.name, model.prior.steps, model.prior.width) == ("energy", 5, 7)


def test_likelihoods_of_a_preset_are_the_named_ones_over_those_of_all(preset):
    section = {"*": {"weight": 2, "scale": 0.5}, "m1": {"weight": 3, "likelihood": "normal"}}
    config = one(presets=preset({"modalities": section, "methods": {"mmvae": {}}}))
    assert [(m.likelihood, m.scale, m.weight) for m in config.modalities.values()] == [
        ("laplace", 0.5, 2.0),
        ("normal", 0.5, 3.0),
        ("laplace", 0.5, 2.0),
    ]


def test_a_preset_refuses_sources_that_it_is_not_made_for(preset):
    folder = preset({"sources": ["official", "rebuilt"], "methods": {"mmvae": {}}})
    assert one(presets=folder, source="rebuilt").source == "rebuilt"
    with pytest.raises(
        UsageError, match="'smoke' is made for the source 'official' or 'rebuilt', and this is 'bundled'"
    ):
        one(presets=folder)
