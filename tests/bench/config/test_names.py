import json

import pytest

from bench.config.changes import changed_of_all, changed_settings
from bench.config.names import differing, named, spelled
from bench.config.resolve import restore
from bench.errors import UsageError
from tests.bench.config.conftest import POLYMNIST, configure, hetero, one


def changed(config):
    tree = json.loads(json.dumps(config.as_dict()))
    return " ".join(changed_settings(tree, presets=POLYMNIST))


@pytest.mark.parametrize(
    ("method", "settings", "text"),
    [
        ("ebm-base", [], ""),
        ("ebm-base", ["trainer.lr=5e-4", "prior.steps=20"], "prior.steps=20 trainer.lr=0.0005"),
        ("ebm-base", ["prior.betas=[0.1, 0.2]"], "prior.betas=[0.1,0.2]"),
        ("ebm-base", ["trainer.amsgrad=true", "network=conv"], "network=conv trainer.amsgrad=true"),
        ("ebm-base", ["trainer.validation=0.05"], "trainer.validation=0.05"),
        ("ebm-base", ["prior.base=laplace"], "prior.base=laplace"),
        ("ebm-base", ["prior=laplace"], "prior=laplace"),
        ("mmvae", ["prior=energy"], "prior=energy"),
        ("mmvae", ["prior.steps=20", "prior=energy"], "prior=energy prior.steps=20"),
        ("mmvaeplus", ["private_prior=normal"], "private_prior=normal"),
        ("mvae", ["modalities.*.weight=2"], "modalities.*.weight=2.0"),
        (
            "mvae",
            ["modalities.m0.weight=2", "modalities.m1.scale=3"],
            "modalities.m0.weight=2.0 modalities.m1.scale=3.0",
        ),
        ("mvae", ["evaluation.samples=7"], ""),  # no part of the run
    ],
)
def test_changed_settings_are_those_that_the_preset_does_not_have(method, settings, text):
    config = one(method, *settings, preset="quick")
    assert changed(config) == text
    again = one(method, *text.split(), preset="quick")  # as they are, for --set
    assert again.hash == config.hash


def test_many_configurations_change_what_each_of_them_does():
    sweep = ["prior=energy,laplace", "trainer.lr=1e-3,2e-3", "modalities.m0.weight=1,2"]
    configs = configure(["mmvae"], preset="quick", sweeps=sweep)
    assert len(configs) == 8
    one_by_one = [changed_settings(config.as_dict(), presets=POLYMNIST) for config in configs]
    assert list(changed_of_all(configs, presets=POLYMNIST)) == one_by_one
    assert len({tuple(settings) for settings in one_by_one}) == 8


def test_networks_of_several_kinds_are_told_apart_where_they_differ():
    assert changed(hetero("mmvae", "network=conv")) == "network=conv"
    assert changed(hetero("mmvae", "network.text=conv")) == "network.text=conv"
    assert changed(one("mmvae", "network.text=conv")) == ""  # a kind that the data do not have
    assert changed(hetero("mmvae", "modalities.photo.weight=2")) == "modalities.photo.weight=2.0"


def test_likelihoods_are_compared_with_those_of_the_preset(preset):
    folder = preset({"modalities": {"*": {"weight": 3}, "m0": {"scale": 0.5}}, "methods": {"mmvae": {}}})
    assert changed_settings(one(presets=folder).as_dict(), presets=folder) == []
    plain = one("mmvae", "modalities.m0.scale=0.75", presets=folder).as_dict()
    assert changed_settings(plain, presets=folder) == ["modalities.m0.scale=0.75"]


def test_configurations_are_told_apart_by_what_they_do_not_share():
    configs = [one("ebm-base", *settings).as_dict() for settings in (["prior.steps=5"], ["prior.steps=6", "beta=3"])]
    assert differing(configs) == ["prior.steps=5 beta=1.0", "prior.steps=6 beta=3.0"]
    assert differing(configs[:1]) == [""]


def older(config):
    """As a version before held-out tuples wrote it."""
    tree = config.as_dict()
    return {**tree, "trainer": {k: v for k, v in tree["trainer"].items() if not k.startswith("valid")}}


def test_a_run_that_is_older_than_held_out_tuples_differs_by_them_where_they_are(preset):
    configs = [older(one("mmvae", "beta=3")), one("mmvae").as_dict()]
    assert differing(configs) == ["beta=3.0", "beta=1.0"]
    assert changed_settings(configs[0], presets=POLYMNIST) == ["beta=3.0"]
    assert differing([configs[0], one("mmvae", "trainer.validation=0.1").as_dict()]) == [
        *["beta=3.0 trainer.validation=0.0", "beta=1.0 trainer.validation=0.1"]
    ]
    folder = preset({"trainer": {"validation": 0.1, "validate_every": 5}, "methods": {"mmvae": {}}})
    told = ["trainer.validation=0.0", "trainer.validate_every=1"]
    assert changed_settings(older(one(presets=folder)), presets=folder) == told


def test_settings_of_a_prior_are_compared_among_those_that_have_it():
    configs = configure(["mmvae"], sweeps=["prior=laplace,energy", "prior.steps=2,3"])
    texts = ["prior=laplace", "prior=energy prior.steps=2", "prior=energy prior.steps=3"]
    assert differing(config.as_dict() for config in configs) == texts


def test_names_are_those_of_set():
    names = named(hetero("mmvae", "prior=energy").as_dict())
    assert (names["prior"], names["prior.width"], names["trainer.epochs"]) == ("energy", 32, 1)
    assert (names["network.text"], names["modalities.caption.likelihood"]) == ("patch", "categorical")
    assert not [name for name in names if "kind" in name or "prior.name" in name or name.startswith("evaluation")]


def test_values_are_spelled_on_one_line_without_escapes():
    assert [spelled("a", value) for value in ("conv", 0.5, True, None, [1, "b"])] == [
        *["a=conv", "a=0.5", "a=true", "a=null", 'a=[1,"b"]']
    ]
    assert spelled("a", "x\n\x1b[31m y") == r'a="x\n\u001b[31m y"'
    assert spelled("a", "010") == 'a="010"'


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"model": 3, "modalities": {}},
        {"model": {}, "modalities": {}, "method": "vanished"},
        {"model": {}, "modalities": {}, "method": ["mmvae"]},
        {"model": {}, "modalities": {}, "method": "mmvae", "dataset": "../..", "preset": "smoke"},
        {"model": {}, "modalities": {}, "method": "mmvae", "dataset": "polymnist", "preset": "vanished"},
        {
            "model": {"prior": {"name": "gone"}},
            "modalities": {},
            "method": "mmvae",
            "dataset": "polymnist",
            "preset": "smoke",
        },
    ],
)
def test_configurations_of_another_version_are_refused(tree):
    with pytest.raises(UsageError):
        changed_settings(tree)


def test_odd_configurations_are_told_all_the_same():
    tree = one().as_dict()
    for section, value in (("modalities", {"m0": 3}), ("model", {"network": {"name": "x"}, "prior": "laplace"})):
        changed_settings({**tree, section: value}, presets=POLYMNIST)
    assert differing([{}, {"model": []}, {"trainer": {"lr": [1]}}]) == ["", "", "trainer.lr=[1]"]
    assert restore(tree, "c", presets=POLYMNIST).as_dict() == tree
