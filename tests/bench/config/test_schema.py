import dataclasses
import json
import re
from pathlib import Path

import pytest

from bench.config.resolve import restore
from bench.config.schema import EvaluationConfig, digest
from bench.config.values import read_yaml
from bench.errors import UsageError
from methods import METHODS
from tests.bench.config.conftest import QUICK, hetero, one
from tests.toy import HETERO_MODALITIES, image_modalities

ROOT = Path(__file__).parents[3]
CHANGES = [
    *["trainer.epochs=4", "trainer.batch_size=8", "trainer.lr=1e-5", "trainer.amsgrad=true"],
    *["trainer.validation=0.05", "trainer.validation=0.1"],
    *["trainer.schedule=cosine", "trainer.warmup=0.1", "modalities.m0.weight=2", "modalities.m1.scale=0.5"],
    *["modalities.m2.likelihood=normal", "modalities.*.scale=2", "network=conv", "network.image=resnet"],
    *["latent_dim=5", "posterior=normal-softplus", "beta=3", "samples=2", "objective=dreg", "beta_warmup=0.7"],
    *["experts=all", "prior=laplace", "prior=normal", "prior.base=laplace", "prior.scale=2", "prior.steps=4"],
    *["prior.clip=3", "prior.step_size=0.3", "prior.betas=[0.1, 0.2]", "prior.lr=0.5", "prior.chains=4"],
]


def test_every_setting_that_changes_the_parameters_changes_the_hash():
    hashes = {one("ebm-base", *QUICK, change).hash for change in CHANGES}
    assert len(hashes | {one("ebm-base", *QUICK).hash}) == len(CHANGES) + 1


@pytest.mark.parametrize(
    "settings",
    [
        ("evaluation.samples=7", "evaluation.batch_size=3"),
        ("evaluators.likelihood.samples=10",),
        ("priors.mixture.components=50",),
        ("network.text=conv",),  # of a kind that the data do not have
        ("trainer.validate_every=2",),
    ],
)
def test_what_does_not_change_the_parameters_does_not_change_the_hash(settings):
    assert one("mmvae", *settings).hash == one("mmvae").hash
    assert one("mmvae", *settings) != one("mmvae")


def test_without_held_out_tuples_the_hash_is_what_it_was_before_there_were_any():
    config = one("mmvae", "trainer.validation=0", "trainer.validate_every=3")
    tree = config.as_dict()
    content = {part: tree[part] for part in ("method", "dataset", "fingerprint", "model", "trainer", "modalities")}
    del content["trainer"]["validation"], content["trainer"]["validate_every"]
    content["model"]["network"] = {"image": content["model"]["network"]["image"]}  # the only kind of these data
    assert config.hash == one("mmvae").hash == digest(content)


def test_the_hash_of_committed_runs_is_in_the_names_of_their_folders():
    files = sorted((ROOT / "results/reference").rglob("config.yaml"))
    assert len(files) > 10
    for file in files:
        config = restore(read_yaml(file.read_text(), str(file)), str(file))
        assert file.parents[1].name == f"{config.preset}-{config.hash}"


def test_how_often_is_measured_does_not_change_the_hash_with_held_out_tuples_either():
    hashes = {one("mmvae", "trainer.validation=0.1", f"trainer.validate_every={n}").hash for n in (1, 2)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("validation=-0.1", r"validation=-0\.1: must be in \[0, 0\.5\]"),
        ("validation=0.51", r"validation=0\.51: must be in \[0, 0\.5\]"),
        ("validation=true", "validation: expected float, got True"),
        ("validate_every=0", "validate_every=0: must be ≥ 1"),
    ],
)
def test_what_cannot_be_held_out_is_refused(setting, message):
    with pytest.raises(UsageError, match=rf"mmvae \(smoke\): trainer: {message}"):
        one("mmvae", f"trainer.{setting}")


def test_networks_of_every_kind_that_the_data_have_count():
    assert (
        len({hetero("mmvae", setting).hash for setting in ("beta=1", "network.text=conv", "network.image=conv")}) == 3
    )


def test_the_hash_knows_method_data_and_likelihoods_but_not_the_names_of_source_and_preset():
    base = one()
    same = [dataclasses.replace(base, **{key: "another"}) for key in ("preset", "source")]
    others = [dataclasses.replace(base, **{key: "another"}) for key in ("method", "dataset", "fingerprint")]
    assert {config.hash for config in same} == {base.hash}
    assert len({base.hash, *(other.hash for other in others)}) == 4
    assert re.fullmatch("[0-9a-f]{8}", base.hash)


def test_the_hash_does_not_depend_on_the_order_or_spelling_of_settings():
    assert one("mmvae", "beta=2", "trainer.lr=1e-3").hash == one("mmvae", "trainer.lr=0.001", "beta=2.0").hash
    swapped = one(modalities=image_modalities()[::-1])
    assert swapped.hash == one().hash


@pytest.mark.parametrize("method", METHODS)
def test_a_configuration_is_plain_values_for_files(method):
    tree = hetero(method).as_dict()
    assert json.loads(json.dumps(tree)) == tree
    assert tree["modalities"]["caption"] == {
        **{"kind": "text", "likelihood": "categorical"},
        **{"scale": 1.0, "weight": 1.0},
    }


def test_modalities_get_the_likelihoods_of_the_configuration():
    config = hetero("mmvae", "modalities.sketch.likelihood=bernoulli", "modalities.*.weight=2")
    modalities = config.with_likelihoods(HETERO_MODALITIES)
    assert [(m.name, m.likelihood, m.weight, m.shape) for m in modalities] == [
        ("photo", "laplace", 2.0, (3, 28, 28)),
        ("sketch", "bernoulli", 2.0, (1, 32, 32)),
        ("caption", "categorical", 2.0, (6,)),
    ]
    with pytest.raises(UsageError, match=r"configured for the modalities 'photo', .*; the data have m0, m1, m2"):
        config.with_likelihoods(image_modalities())


def test_an_evaluation_has_a_key_for_each_set_of_measures():
    base = one("mmvae").evaluation
    few = one("mmvae", "evaluation.samples=7").evaluation
    likelihood = one("mmvae", "evaluators.likelihood.samples=7").evaluation
    wide = one("mmvae", "priors.mixture.components=50").evaluation
    for changed, kind, name in ((likelihood, "evaluators", "likelihood"), (wide, "priors", "mixture")):
        assert changed.key(kind, name) != base.key(kind, name)
        assert few.key(kind, name) != base.key(kind, name)
    assert likelihood.key("evaluators", "joint") == wide.key("evaluators", "joint") == base.key("evaluators", "joint")
    assert few.key("evaluators", "joint") != base.key("evaluators", "joint")
    assert re.fullmatch("[0-9a-f]{8}", base.key("priors", "flow"))


def test_an_evaluation_needs_two_samples():
    with pytest.raises(ValueError, match="samples=1: must be ≥ 2, as diversity and Fréchet distances are variances"):
        EvaluationConfig(samples=1)
