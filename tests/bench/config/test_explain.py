"""What `bench show` says of a setting is what `bench run` makes of it."""

import copy
from dataclasses import replace

import pytest

from bench.config.explain import COMMAND_LINE, DATASET, DEFAULT, explain
from bench.config.folders import preset_names, presets_folder
from bench.config.presets import load_preset
from methods import METHODS
from methods.mmvae import MMVAE
from tests.bench.config.conftest import POLYMNIST, hetero, one

PRESETS = preset_names(presets_folder("polymnist"))


def explained(method, *settings, preset="quick", make=one):
    config = make(method, *settings, preset=preset)
    sections = explain(config, load_preset("toy", preset, POLYMNIST), settings)
    return {setting.name: setting for section in sections.values() for setting in section}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", METHODS)
def test_all_that_is_told_makes_the_same_run(method, preset):
    told = explained(method, preset=preset)
    words = [
        f"{setting.name}={setting.value}" for setting in told.values() if setting.name != "evaluators.fid.inception"
    ]
    config, again = one(method, preset=preset), one(method, *words, preset=preset)
    assert again.identity == config.identity
    assert again.evaluation.as_dict() == config.evaluation.as_dict()


def without(preset, place, key):
    """The preset without a key at the place that an origin names."""
    sections = {name: copy.deepcopy(dict(getattr(preset, name))) for name in ("trained_priors", "methods", "trainer")}
    sections |= {name: copy.deepcopy(dict(getattr(preset, name))) for name in ("evaluation", "evaluators", "priors")}
    sections["modalities"] = copy.deepcopy(dict(preset.modalities))
    part = sections
    for name in place.split("."):
        part = part[name]
    part.pop(key, None)
    return replace(preset, **sections)


@pytest.mark.parametrize("preset_name", PRESETS)
@pytest.mark.parametrize("method", METHODS)
def test_a_setting_of_the_preset_is_where_it_is_said_to_be(method, preset_name):
    preset = load_preset("toy", preset_name, POLYMNIST)
    config = one(method, preset=preset_name)
    sections = explain(config, preset, [])
    found = [setting for section in sections.values() for setting in section]
    for setting in found:
        if setting.origin.startswith("preset: "):
            place = setting.origin.removeprefix("preset: ")
            top = setting.name.split(".")[0]
            own = place.startswith("methods.") and not place.endswith(".trainer")
            key = top if own else setting.name.split(".")[-1]
            other = explain(config, without(preset, place, key), [])
            now = {one.name: one.origin for section in other.values() for one in section}
            assert now[setting.name] != setting.origin, setting


def test_the_levels_are_told_apart():
    told = explained("ebm-base", "prior.steps=7", "modalities.m1.weight=2", "trainer.lr=1e-3", "evaluation.samples=50")
    assert (told["prior.steps"].value, told["prior.steps"].origin) == ("7", COMMAND_LINE)
    assert told["prior.moves"].origin == "preset: trained_priors.energy"
    assert told["prior"].origin == "preset: methods.ebm-base"
    assert told["latent_dim"].origin == "preset: methods.ebm-base"
    assert told["objective"].origin == DEFAULT
    assert told["trainer.lr"].origin == COMMAND_LINE
    assert told["trainer.epochs"].origin == "preset: trainer"
    assert told["evaluation.samples"].origin == COMMAND_LINE
    assert (told["modalities.m1.weight"].value, told["modalities.m1.weight"].origin) == ("2.0", COMMAND_LINE)
    assert told["modalities.m0.weight"].origin == DATASET
    assert told["modalities.*.likelihood"].origin == DATASET
    assert told["priors.flow.lr"].origin == "preset: priors.flow"


def test_another_prior_brings_its_own_settings():
    told = explained("mmvae", "prior=energy")
    assert told["prior"].origin == COMMAND_LINE
    assert told["prior.scale"].origin == "preset: trained_priors.energy"  # not that of the entry's Laplace
    same = explained("mmvae", "prior=laplace")
    assert (same["prior"].origin, same["prior.scale"].origin) == (COMMAND_LINE, "preset: methods.mmvae")


def test_a_word_for_all_networks_sets_each_and_only_those_of_the_data_are_told():
    told = explained("mmvae", make=hetero)
    assert told["network.image"].origin == told["network.text"].origin == "preset: methods.mmvae"
    told = explained("mmvae", "network=conv", "network.text=patch", make=hetero)
    assert (told["network.image"].value, told["network.text"].value) == ("conv", "patch")
    assert told["network.image"].origin == told["network.text"].origin == COMMAND_LINE
    assert "network.text" not in explained("mmvae")


def test_an_entry_of_another_method_is_named(preset, monkeypatch):
    monkeypatch.setattr(MMVAE, "like", "mmvaeplus", raising=False)
    folder = preset({"methods": {"mmvaeplus": {"beta": 3.0, "private_dim": 7, "trainer": {"lr": 0.5}}}})
    config = one("mmvae", presets=folder)
    sections = explain(config, load_preset("toy", "smoke", folder), [])
    origins = {setting.name: setting.origin for section in sections.values() for setting in section}
    assert origins["beta"] == "preset: methods.mmvaeplus"
    assert origins["trainer.lr"] == "preset: methods.mmvaeplus.trainer"
    assert origins["latent_dim"] == DEFAULT
