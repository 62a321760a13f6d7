import itertools

import pytest
import torch

from evaluators.subsets import subsets_of
from methods.base import Latents
from tests.conftest import make_method
from tests.evaluators.oracle import Oracle, ToyClassifiers, context, evaluate
from tests.toy import hetero_data, image_data


class FirstModalityLies(Oracle):
    """Right if anything but the first modality is given; from it alone it decodes row 0."""

    def infer(self, batch, given, streams):
        latents = super().infer(batch, given, streams)
        alone = list(given) == [next(iter(self.modalities))]
        return Latents(torch.zeros_like(latents.z)) if alone else latents


def test_one_given_modality_is_the_pairwise_cross_coherence():
    data, method = image_data(), make_method("mopoe").eval()
    shared = context(method, data)
    assert evaluate("subsets", shared)["cross_coherence_1"].value == pytest.approx(
        evaluate("cross", shared)["cross_coherence"].value
    )


def test_coherence_by_subset():
    data = image_data()
    measures = evaluate("subsets", context(FirstModalityLies(data), data))
    assert list(measures) == ["cross_coherence_1", "cross_coherence_2"]
    one, two = measures.values()
    assert set(two.details["accuracy"]) == {"m0+m1", "m0+m2", "m1+m2"}
    assert list(two.details["accuracy"]["m0+m2"]) == ["m1"]
    assert two.value == 1.0
    # Row 0 is one class of four: of the six pairs, the two from m0 are right for a quarter of the tuples.
    assert one.details["accuracy"]["m0"] == {"m1": 0.25, "m2": 0.25}
    assert one.value == pytest.approx((2 * 0.25 + 4) / 6)
    assert [measure.protocol for measure in measures.values()] == ["subsets of 1", "subsets of 2"]
    assert one.ceiling == 1.0


def test_above_the_limit_subsets_are_drawn_and_the_protocol_says_so():
    data = image_data(m=4)
    measures = evaluate("subsets", context(FirstModalityLies(data), data), max_subsets=4)
    assert [m.protocol for m in measures.values()] == ["subsets of 1", "subsets of 2, 4 of 6", "subsets of 3"]
    two = measures["cross_coherence_2"]
    assert len(two.details["accuracy"]) == 4
    assert two.value == pytest.approx(1.0)


def test_the_drawn_subsets_are_distinct_and_the_same_each_time():
    names = [f"m{i}" for i in range(20)]
    drawn = subsets_of(names, 10, 32)
    assert drawn == subsets_of(names, 10, 32)
    assert len(set(drawn)) == 32
    assert all(len(set(s)) == 10 and list(s) == sorted(s, key=names.index) for s in drawn)
    assert drawn == sorted(drawn, key=lambda s: [names.index(name) for name in s])


def test_up_to_the_limit_all_subsets_are_taken():
    names = ["a", "b", "c", "d", "e"]
    assert all(subsets_of(names, k, 32) == list(itertools.combinations(names, k)) for k in range(1, 5))


def test_no_modality_is_drawn_more_often_than_another():
    """Over many sizes of twenty modalities: a modality is in a subset of k with probability k/20."""
    names = list(range(20))
    counts = [sum(name in s for k in range(2, 19) for s in subsets_of(names, k, 32)) for name in names]
    expected = sum(32 * k / 20 for k in range(2, 19))
    spread = sum(32 * (k / 20) * (1 - k / 20) for k in range(2, 19)) ** 0.5
    assert all(abs(count - expected) < 4 * spread for count in counts)


def test_accuracies_of_several_attributes_are_their_mean():
    """Row 0 has one shape of four and, where it is known, one colour of three."""
    data = hetero_data(test=48)
    shared = context(FirstModalityLies(data), data, samples=48, classifiers=ToyClassifiers())
    measures = evaluate("subsets", shared)
    colour = data.test.labels["colour"]
    expected = (1 / 4 + (colour == colour[0]).sum().item() / (colour >= 0).sum().item()) / 2
    assert measures["cross_coherence_1"].details["accuracy"]["photo"] == pytest.approx(
        {"sketch": expected, "caption": expected}
    )
    assert measures["cross_coherence_1"].value == pytest.approx((2 * expected + 4) / 6)
    assert measures["cross_coherence_2"].value == 1.0
