import pytest
import yaml

from bench.config.resolve import resolve
from bench.reporting.leaderboard import poster
from bench.reporting.statistics import (
    binomial_difference,
    changed_settings,
    obstacles,
    paired_difference,
    student_interval,
    verdict,
)
from bench.runner import plain
from evaluators.base import wilson
from methods import METHODS


def config_of(*settings, method="mmvae", preset="paper"):
    """As a run's config.yaml has it."""
    (config,) = resolve([method], "polymnist", "rebuilt", preset, settings)
    return yaml.safe_load(yaml.safe_dump(plain(config.as_dict())))


def row_of(**other):
    return {"source": "rebuilt", "preset": "paper", "protocol": "joint prior n=10000, cross pairs n=10000", **other}


def test_students_interval_by_hand():
    # t(0.975; 1) = 12.706205; std = 0.02 / √2
    assert student_interval([0.50, 0.52]) == pytest.approx((0.0141421, 0.3829380, 0.6370620), abs=1e-6)
    assert student_interval([0.1, 0.9])[1:] == (0.0, 1.0)


def test_pairing_takes_out_what_the_seeds_share():
    # Differences 0.1, 0.2, 0.3; t(0.975; 2) = 4.302653; 4.302653 · 0.1 / √3 = 0.248414
    found = paired_difference([0.9, 0.5, 0.7], [0.8, 0.3, 0.4])
    assert [found.difference, found.std] == pytest.approx([0.2, 0.1])
    assert [found.low, found.high] == pytest.approx([-0.048414, 0.448414], abs=1e-6)
    assert (found.pairs, found.interval) == (3, "Student t over paired seeds")


def test_a_difference_of_proportions_is_within_one_of_zero():
    found = paired_difference([0.0, 0.9], [0.9, 0.0])
    assert (found.difference, found.low, found.high) == (0.0, -1.0, 1.0)


def test_one_pair_has_newcombes_interval():
    # Newcombe 1998 (Statistics in Medicine 17, 873-890), example (a), method 10: 56/70 − 48/80 is in 0.0524 … 0.3339
    found = binomial_difference((0.8, *wilson(0.8, 70)), (0.6, *wilson(0.6, 80)))
    assert [found.difference, found.low, found.high] == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)
    assert (found.std, found.pairs) == (None, 1)
    assert "one seed" in found.interval


def test_swapping_the_sides_mirrors_the_difference():
    a, b = (0.9, 0.8, 0.93), (0.5, 0.45, 0.57)
    there, back = binomial_difference(a, b), binomial_difference(b, a)
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)


@pytest.mark.parametrize(
    ("printed", "word"),
    [(0.369, "above"), (0.371, "reproduced"), (0.45, "reproduced"), (0.529, "reproduced"), (0.531, "below")],
)
def test_the_verdict_widens_the_interval_by_the_tolerance(printed, word):
    assert verdict(0.4, 0.5, printed) == word


@pytest.mark.parametrize(
    ("other", "reasons"),
    [
        ({}, []),
        ({"source": "official"}, []),
        ({"source": "bundled"}, ["bundled data"]),
        ({"preset": "quick"}, ["preset quick"]),
        ({"protocol": "joint prior n=10, cross subsets n=10"}, ["protocol joint prior n=10, cross subsets n=10"]),
        ({"protocol": "joint base n=10, cross pairs n=10"}, ["protocol joint base n=10, cross pairs n=10"]),
        ({"protocol": "joint prior n=1, cross pairs n=1 each"}, ["protocol joint prior n=1, cross pairs n=1 each"]),
        ({"prior": "own"}, []),
        ({"prior": "mixture"}, ["mixture prior"]),
        ({"source": "bundled", "preset": "smoke"}, ["bundled data", "preset smoke"]),
    ],
)
def test_what_keeps_a_row_from_the_poster_is_named(other, reasons):
    assert obstacles(row_of(**other), config_of()) == reasons


def test_the_paper_preset_with_other_settings_is_not_the_papers():
    config = config_of("prior.scale=2", "trainer.epochs=3", method="ebm-base")
    assert obstacles(row_of(), config) == ["prior.scale=2.0", "trainer.epochs=3"]


def test_settings_of_the_evaluation_change_no_measure():
    assert changed_settings(config_of("evaluation.samples=100")) == []


@pytest.mark.parametrize("method", METHODS)
def test_a_preset_has_no_changed_settings_itself(method):
    assert changed_settings(config_of(method=method)) == []


def test_settings_that_came_and_went_with_the_code():
    config = config_of()
    del config["model"]["beta"]
    assert changed_settings(config) == []
    config["model"]["gone"] = 1
    assert changed_settings(config) == ["gone=1"]


def test_the_posters_methods_have_a_paper_preset():
    assert set(poster()["method"]) <= set(METHODS)
