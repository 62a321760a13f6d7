"""Precision and recall, density and coverage of sets whose answer is known."""

from dataclasses import astuple, replace

import pytest
import torch

from evaluators import neighbours
from evaluators.coverage import Coverage, CoverageSettings, Overlap, expected_coverage, overlap
from methods.base import Latents
from tests.conftest import BandClassifiers, make_method
from tests.evaluators.oracle import Oracle, context, evaluate
from tests.toy import hetero_data, image_data


def normal(n, dimensions=16, seed=0):
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed))


def uniform(n, low, high, seed):
    return low + (high - low) * torch.rand(n, 1, generator=torch.Generator().manual_seed(seed))


def test_identical_sets():
    """A sample is the centre of one ball of radius k, and lies in k others on average: density is (k + 1) / k."""
    assert overlap(normal(200), normal(200)) == Overlap(precision=1, recall=1, density=pytest.approx(6 / 5), coverage=1)


def test_disjoint_sets():
    assert overlap(normal(200), normal(200, seed=1) + 100) == Overlap(0, 0, 0, 0)


def test_one_mode_is_missing():
    """Samples are the points of one of two modes, and again those points, moved by little."""
    drawn = normal(100)
    reference = torch.cat([drawn, normal(100, seed=1) + 100])
    found = overlap(reference, torch.cat([drawn, drawn + 1e-4]))
    assert (found.precision, found.recall, found.coverage) == (1, 0.5, 0.5)
    # 6/5 for the points themselves; of those that moved, half have left the ball on whose surface they were.
    assert found.density == pytest.approx((6 / 5 + 5.5 / 5) / 2, abs=0.01)


def test_samples_twice_as_wide():
    """Of samples of [−½, 3/2] for [0, 1], half lie in a ball. The five nearest points of a reference point are all of
    the reference, whose points lie twice as close, with probability (2/3)⁵. Between samples little is left out."""
    draws = [overlap(uniform(1000, 0, 1, 2 * i), uniform(1000, -0.5, 1.5, 2 * i + 1)) for i in range(10)]
    precision, recall, density, coverage = torch.tensor([astuple(found) for found in draws]).mean(0).tolist()
    assert precision == pytest.approx(0.5, abs=0.02)
    assert recall > 0.97
    assert density == pytest.approx(0.5, abs=0.02)
    assert coverage == pytest.approx(1 - (2 / 3) ** 5, abs=0.02)


@pytest.mark.parametrize("dimensions", [1, 16])
def test_two_sets_of_one_distribution(dimensions):
    found = overlap(normal(2000, dimensions), normal(2000, dimensions, seed=1))
    assert found.density == pytest.approx(1, abs=0.06)
    assert found.coverage == pytest.approx(expected_coverage(2000), abs=0.02)
    assert expected_coverage(2000) == pytest.approx(1 - 2**-5, abs=1e-3)


def test_one_sample_again_and_again_recalls_one_point():
    reference = normal(50, 128) + 10
    found = overlap(reference, reference[:1].expand(50, -1))
    assert (found.precision, found.recall) == (1, 1 / 50)
    inside = torch.cdist(reference, reference).sort().values[:, 5] >= torch.cdist(reference, reference)[:, 0]
    assert found.coverage == inside.double().mean().item()
    assert found.density == pytest.approx(inside.sum().item() / 5)


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_the_definitions_point_by_point(monkeypatch, rows):
    monkeypatch.setattr(neighbours, "ROWS", rows)
    reference, samples = normal(40, 3).double(), 1.5 * normal(40, 3, seed=1).double()

    def inside(points, k, others):
        radius = (points[:, None] - points).norm(dim=-1).sort(1).values[:, k]
        return (points[:, None] - others).norm(dim=-1) <= radius[:, None]

    expected = Overlap(
        precision=inside(reference, 3, samples).any(0).double().mean().item(),
        recall=inside(samples, 3, reference).any(0).double().mean().item(),
        density=inside(reference, 5, samples).sum(0).double().mean().item() / 5,
        coverage=inside(reference, 5, samples).any(1).double().mean().item(),
    )
    assert 0 < expected.precision < 1
    assert 0 < expected.coverage < 1
    assert astuple(overlap(reference, samples)) == pytest.approx(astuple(expected))


def repeated(data, times):
    """Data whose test items are each there several times in a row."""
    rows = torch.arange(len(data.test)).repeat_interleave(times)
    items = {name: x[rows] for name, x in data.test.items.items()}
    labels = {name: x[rows] for name, x in data.test.labels.items()}
    return replace(data, test=replace(data.test, items=items, labels=labels))


def test_real_items_that_repeat_are_one_item():
    """As ten captions of a photograph, or the crops of one digit: their balls would have no radius."""
    data = image_data()
    again = repeated(data, 3)
    found = evaluate("coverage", context(DrawsEachItem(again), again, samples=120, batch_size=120))
    names = ("precision", "recall", "density", "coverage")
    assert [found[name].value for name in names] == pytest.approx([1, 1, 6 / 5, 1])
    assert found["coverage"].protocol == "prior to real, classifier features, k=5, 40 of each"
    assert found["coverage_to_aggregate"].protocol == "prior to aggregate, classifier features, k=5, 120 of each"


def test_too_few_distinct_items_are_told():
    again = repeated(image_data(test=5), 8)
    found = evaluate("coverage", context(DrawsTestRows(again), again))
    few = "5 real items that differ are too few for their 5 nearest neighbours"
    assert {what for name, what in found.items() if "_to_" not in name} == {few}
    assert found["coverage_to_aggregate"].n == 40


class DrawsTestRows(Oracle):
    def sample_prior(self, n, streams):
        return Latents(torch.arange(n).float()[:, None])


class DrawsEachItem(Oracle):
    """Of test items that are there three times in a row, each once before any again."""

    def sample_prior(self, n, streams):
        return Latents(torch.arange(n).reshape(-1, 3).T.flatten().float()[:, None])


class Row0FromAll(Oracle):
    """Its aggregate posterior is one item; its prior draws all."""

    sample_prior = DrawsTestRows.sample_prior

    def infer(self, batch, given, streams):
        return Latents(torch.zeros_like(super().infer(batch, given, streams).z))


def test_each_set_is_compared_with_the_one_that_its_name_says():
    data = image_data()
    found = evaluate("coverage", context(Row0FromAll(data), data, batch_size=40))
    names = ("precision", "recall", "density", "coverage")
    assert list(found) == [name + suffix for suffix in ("", "_aggregate", "_to_aggregate") for name in names]
    assert [found[name].value for name in names] == pytest.approx([1, 1, 6 / 5, 1])
    # Tuple 0's sample is not compared with its own item, and lies in the ball of another one or in none.
    assert found["precision_aggregate"].value == pytest.approx(39.5 / 40, abs=0.51 / 40)
    assert found["recall_aggregate"].value == pytest.approx(1 / 40)
    assert [found[name + "_to_aggregate"].value for name in names[:2]] == pytest.approx([1 / 40, 1])
    assert found["coverage"].protocol == "prior to real, classifier features, k=5, 40 of each"
    assert found["recall_to_aggregate"].protocol == "prior to aggregate, classifier features, k=3, 40 of each"
    assert found["coverage"].details == {"modalities": {"m0": 1.0, "m1": 1.0, "m2": 1.0}, "k": 5}
    assert found["coverage"].ceiling == expected_coverage(40)
    assert (found["density"].ceiling, found["density"].better) == (1.0, None)
    assert (found["recall"].ceiling, found["recall"].better, found["recall"].n) == (None, "higher", 40)


def test_reconstructions_of_the_same_items_are_not_compared_with_them(monkeypatch):
    """An oracle's aggregate posterior gives the held-out items, which then lie as each of them to all the others."""
    monkeypatch.setattr(neighbours, "ROWS", 7)
    data = image_data()
    found = evaluate("coverage", context(Oracle(data), data))
    x = BandClassifiers().features(data.test.batch(slice(None)))["m1"].double()
    between = (x[:, None] - x).norm(dim=-1)
    inside = between.fill_diagonal_(torch.inf) <= between.sort(1).values[:, 4:5] * (1 + 1e-9)
    assert found["coverage_aggregate"].details["modalities"]["m1"] == 1
    assert found["density_aggregate"].value == pytest.approx(inside.sum().item() / (5 * 40)) == 1
    precise = between <= between.sort(1).values[:, 2:3] * (1 + 1e-9)
    assert found["precision_aggregate"].details["modalities"]["m1"] == pytest.approx(precise.any(0).double().mean())


def test_all_sets_are_of_one_size():
    data = image_data()
    assert {m.n for m in evaluate("coverage", context(DrawsTestRows(data), data), samples=20).values()} == {20}
    fewer_tuples = context(make_method("mmvae").eval(), data, samples=100)
    assert {m.n for m in evaluate("coverage", fewer_tuples).values()} == {40}


def test_it_says_why_it_does_not_apply():
    data = image_data()
    few = context(Oracle(data), data, samples=5)
    assert Coverage().applies(few) == "5 samples are too few for their 5 nearest neighbours"
    data = hetero_data(labels=False)
    assert Coverage().applies(context(Oracle(data), data)) == "the data have no labels"
    with pytest.raises(ValueError, match="samples=5: must be > 5"):
        CoverageSettings(samples=5)
