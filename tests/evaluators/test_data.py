"""Every evaluator on data of several kinds, without labels, and of one modality."""

import dataclasses
import json

import pytest
import torch

from evaluators import EVALUATORS, default_evaluators
from methods.base import Streams
from methods.priors.factorised import LaplacePrior, LaplacePriorConfig
from tests.conftest import make_method
from tests.evaluators.oracle import NoClassifiers, ToyClassifiers, context, evaluate
from tests.toy import HETERO_MODALITIES, hetero_data, image_data

LABELS = "the data have no labels"
ONE = "the data have one modality"
# Of images and sentences of a method whose prior has chains.
ON_HETERO = {"fid": "FID is defined for RGB images, which sketch, caption are not"}
PUBLISHED = dict.fromkeys(["published-joint", "published-cross"], "the data have no published protocol")
WITHOUT_LABELS = (
    dict.fromkeys(EVALUATORS, LABELS)
    | dict.fromkeys(["likelihood", "copies", "captions", "caption-bits"])
    | PUBLISHED
    | ON_HETERO
)
OF_ONE = (
    dict.fromkeys(["joint", "cross", "subsets", "frechet-cross", "chains", "correlation"], ONE)
    | dict.fromkeys(["captions", "caption-bits"], "no modality of the data is text")
    | PUBLISHED
)


def method_for(modalities, name="ebm-generalized"):
    """A method that decodes more than noise about its initial output."""
    method = make_method(name, modalities=modalities).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in method.decoders.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return method


@pytest.mark.parametrize("name", ["mvae", "mmvae", "mmjsd", "mmvaeplus", "ebm-generalized"])
def test_every_default_evaluator_measures_data_of_several_kinds(name):
    method, data = method_for(HETERO_MODALITIES, name), hetero_data()
    shared = context(method, data, classifiers=ToyClassifiers(), published=ToyClassifiers())
    for evaluator in default_evaluators():
        measures = evaluate(evaluator, shared)
        assert measures
        for key, measure in measures.items():
            if key.endswith("_coherent") and isinstance(measure, str):
                continue  # 40 tuples of an untrained model hold few coherent ones
            json.dumps(dataclasses.asdict(measure), allow_nan=False)
            if measure.low is not None:
                assert 0 <= measure.low <= measure.value <= measure.high <= 1
                assert 0 < measure.chance < 0.5
                assert measure.ceiling == 1.0
    assert sum(evaluate("joint", shared)["joint_coherence"].details["attributes"]["shape"]["histogram"]) == 3 * 40


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize(
    ("data", "modalities", "classifiers", "reasons"),
    [
        (hetero_data(), HETERO_MODALITIES, ToyClassifiers(), PUBLISHED | ON_HETERO),
        (hetero_data(labels=False), HETERO_MODALITIES, NoClassifiers(), WITHOUT_LABELS),
        (image_data(m=1), None, None, OF_ONE),
    ],
    ids=["several kinds", "no labels", "one modality"],
)
def test_an_evaluator_says_why_it_does_not_apply(evaluator, data, modalities, classifiers, reasons):
    method = method_for(modalities or data.modalities)
    shared = context(method, data, classifiers=classifiers)
    assert EVALUATORS.load(evaluator)().applies(shared) == reasons.get(evaluator)


@pytest.mark.parametrize("evaluator", ["cross", "subsets", "probes"])
def test_labels_that_are_never_known_are_a_reason(evaluator):
    data = hetero_data()
    for labels in data.test.labels.values():
        labels.fill_(-1)
    shared = context(method_for(HETERO_MODALITIES), data, classifiers=ToyClassifiers())
    assert EVALUATORS.load(evaluator)().applies(shared) == "no held-out tuple has a known label"


def test_what_needs_no_labels_measures_data_without_them():
    shared = context(method_for(HETERO_MODALITIES), hetero_data(labels=False), classifiers=NoClassifiers())
    assert isinstance(evaluate("likelihood", shared, samples=3, tuples=4, partition_samples=500), dict)
    assert evaluate("copies", shared)["nearest_training"].value > 0


def test_one_modality_has_its_own_measures():
    data = image_data(m=1)
    shared = context(method_for(data.modalities), data)
    measures = {}
    for name in ("diversity", "frechet", "probes"):
        measures |= evaluate(name, shared)
    diversity = {"class_entropy", "within_class_variance", "within_class_variance_aggregate"}
    assert set(measures) == diversity | {"fd_joint", "probe_z", "probe_w"}


@pytest.mark.parametrize("evaluator", default_evaluators())
def test_only_what_depends_on_the_prior_changes_with_it(evaluator):
    method, data = method_for(HETERO_MODALITIES, "mmvaeplus"), hetero_data()
    first = context(method, data, classifiers=ToyClassifiers(), published=ToyClassifiers())
    wide = LaplacePrior(LaplacePriorConfig(scale=20.0), 4)
    assert not torch.equal(wide.sample(3, Streams(0)), method.prior.sample(3, Streams(0)))
    other = dataclasses.replace(first, method=method.with_prior(wide))
    changed = evaluate(evaluator, first) != evaluate(evaluator, other)
    assert changed == ("prior" in EVALUATORS.load(evaluator).depends_on)
