import copy
import json
import random

import pytest
import yaml

from bench.config.resolve import restore
from bench.config.values import read_yaml
from bench.errors import UsageError
from methods import METHODS
from tests.bench.config.conftest import POLYMNIST, hetero


def stored(method="ebm-base", *settings):
    """As a run's config.yaml has it: without the evaluation."""
    tree = hetero(method, *settings).as_dict()
    del tree["evaluation"]
    return tree


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump])
def test_what_was_written_is_restored(method, write):
    config = hetero(method, "evaluation.samples=9", "trainer.lr=1e-5", "modalities.*.weight=2")
    restored = restore(read_yaml(write(config.as_dict()), "config.yaml"), "config.yaml", presets=POLYMNIST)
    assert restored == config
    assert restored.hash == config.hash


def test_without_an_evaluation_it_is_the_presets_or_the_defaults():
    tree = stored()
    assert restore(tree, "config.yaml", presets=POLYMNIST) == hetero("ebm-base")
    alone = restore(tree, "config.yaml")  # the dataset "toy" has no presets of its own
    assert (alone.evaluation.samples, alone.evaluation.evaluators["likelihood"].samples) == (10_000, 1000)


def test_a_prior_that_was_chosen_is_restored_whatever_the_preset_has():
    config = hetero("mmvae", "prior=energy", "prior.steps=3")
    assert restore(stored("mmvae", "prior=energy", "prior.steps=3"), "c", presets=POLYMNIST) == config


def test_a_run_that_is_older_than_held_out_tuples_held_out_none():
    tree = stored()
    for key in ("validation", "validate_every"):
        del tree["trainer"][key]
    config = restore(tree, "config.yaml", presets=POLYMNIST)
    assert config == hetero("ebm-base")
    held_out = restore(stored("ebm-base", "trainer.validation=0.1"), "config.yaml", presets=POLYMNIST)
    assert held_out.trainer.validation == 0.1


def test_a_run_that_is_older_than_a_kind_of_data_has_its_hash():
    tree = stored("mmvae", "network=conv")
    del tree["model"]["network"]["vector"]
    config = restore(tree, "config.yaml", presets=POLYMNIST)
    assert config.hash == hetero("mmvae", "network=conv").hash
    assert config.model.network.vector == "patch"


def test_a_run_that_is_older_than_a_setting_has_its_hash_and_the_value_of_its_time():
    tree = stored("mopoe")
    del tree["model"]["max_subsets"]
    config = restore(tree, "config.yaml", presets=POLYMNIST)
    assert config.model.max_subsets == 32
    assert config.hash == hetero("mopoe").hash != hetero("mopoe", "max_subsets=8").hash
    assert restore(stored("mopoe", "max_subsets=8"), "config.yaml", presets=POLYMNIST).model.max_subsets == 8


def test_an_evaluation_that_is_older_than_a_setting_has_its_key():
    tree = stored("mopoe")
    tree["evaluation"] = (evaluation := hetero("mopoe").evaluation).as_dict()
    del tree["evaluation"]["evaluators"]["subsets"]["max_subsets"]
    old = restore(tree, "config.yaml", presets=POLYMNIST).evaluation
    assert old.key("evaluators", "subsets") == evaluation.key("evaluators", "subsets")
    changed_one = hetero("mopoe", "evaluators.subsets.max_subsets=4").evaluation
    assert changed_one.key("evaluators", "subsets") != evaluation.key("evaluators", "subsets")


def changed(*path, value=None, remove=False):
    tree = stored()
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return tree


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (None, "expected a run's configuration, got None"),
        ([], r"expected a run's configuration, got \[\]"),
        ("text", "expected a run's configuration, got 'text'"),
        ({}, "the key 'method' is missing"),
        *[(changed(key, remove=True), f"the key '{key}' is missing") for key in ("model", "trainer", "fingerprint")],
        (changed("trainer", "lr", remove=True), "trainer: the key 'lr' is missing"),
        (changed("model", "beta", remove=True), "model: the key 'beta' is missing"),
        (changed("model", "prior", "steps", remove=True), "model: prior: the key 'steps' is missing"),
        (changed("model", "prior", "name", remove=True), "model: prior: expected the name of a prior"),
        (changed("model", "network", "text", remove=True), "network: the key 'text' is missing"),
        (changed("modalities", "photo", "weight", remove=True), "modalities: photo: the key 'weight' is missing"),
        (changed("more", value=1), "unknown key 'more'"),
        (changed("trainer", value=[]), r"trainer: expected keys and values, got \[\]"),
        (changed("model", value="resnet"), "model: expected keys and values, got 'resnet'"),
        (changed("modalities", value={}), "expected the name and likelihood of each modality, got {}"),
        (changed("modalities", value=["photo"]), "expected the name and likelihood of each modality"),
        (changed("modalities", "photo", value=3), "modalities: photo: expected keys and values, got 3"),
        (changed("modalities", "photo", "scale", value=-1), "photo: scale=-1.0: must be > 0"),
        (changed("modalities", "photo", "kind", value="a/b"), "kind='a/b': must be a word"),
        (changed("modalities", value={"../x": {}}), "expected a name of letters, digits"),
        (changed("trainer", "epochs", value="x"), "trainer: epochs: expected int, got 'x'"),
        (changed("trainer", "epochs", value=True), "trainer: epochs: expected int, got True"),
        (changed("trainer", "validation", value=0.7), r"trainer: validation=0\.7: must be in \[0, 0\.5\]"),
        (changed("trainer", "lr", value=float("nan")), "trainer: lr: expected float, got nan"),
        (changed("method", value="mmvea"), "unknown method 'mmvea': did you mean 'mmvae'"),
        (changed("method", value=["mmvae"]), r"method: expected a name .*, got \['mmvae'\]"),
        *[
            (changed(key, value=value), f"{key}: expected a name of letters, digits")
            for key in ("dataset", "source", "preset", "fingerprint")
            for value in ("../../etc", "", ".", "a/b", "a\nb", "\x1b[2J", "a" * 200, None, 3)
        ],
        (changed("evaluation", value=3), "evaluation: expected keys and values, got 3"),
        (changed("evaluation", value={"samples": 1, "batch_size": 1}), "evaluation: samples=1: must be ≥ 2"),
        (changed("evaluation", value={"samples": 2}), "evaluation: the key 'batch_size' is missing"),
        (
            changed("evaluation", value={"samples": 2, "batch_size": 2, "evaluators": {"gone": {}}}),
            "evaluators: unknown evaluator 'gone'",
        ),
        (
            changed("evaluation", value={"samples": 2, "batch_size": 2, "priors": []}),
            "priors: expected keys and values",
        ),
    ],
)
def test_what_is_not_as_it_was_written_is_one_sentence(tree, message):
    with pytest.raises(UsageError, match=f"^runs/config.yaml: .*{message}") as error:
        restore(tree, "runs/config.yaml", presets=POLYMNIST)
    assert str(error.value).isprintable()


def mutated(tree, generator):
    """The tree with one value, anywhere, of another kind, or gone, or one key more."""
    tree = copy.deepcopy(tree)
    inner = tree
    while True:
        key = generator.choice(list(inner))
        if isinstance(inner[key], dict) and inner[key] and generator.random() < 0.8:
            inner = inner[key]
            continue
        values = [None, True, -1, 10**30, 0.5, float("nan"), "x", "../..", "\x1b[0m", [], [[]], {}, {"name": "energy"}]
        if (choice := generator.randrange(len(values) + 2)) < len(values):
            inner[key] = values[choice]
        elif choice == len(values):
            del inner[key]
        else:
            inner[generator.choice(["x", "\x00", "name", "é" * 300])] = inner[key]
        return tree


def refusal(tree):
    """What is said of a tree that is refused; "" of one that is restored, and then sound."""
    try:
        config = restore(tree, "config.yaml", presets=POLYMNIST)
    except UsageError as error:
        return str(error)
    json.dumps(config.as_dict(), allow_nan=False)
    return ""


def test_damaged_configurations_are_refused_or_restored_and_never_end_in_a_traceback():
    generator = random.Random(0)
    trees = [hetero(method).as_dict() for method in METHODS]
    refused = [text for _ in range(2000) if (text := refusal(mutated(generator.choice(trees), generator)))]
    assert len(refused) > 1000
    assert all(text.startswith("config.yaml: ") and text.isprintable() for text in refused)
