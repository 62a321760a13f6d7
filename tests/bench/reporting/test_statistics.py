import math

import pytest

from bench.reporting.statistics import (
    binomial_difference,
    interval,
    paired_difference,
    single_difference,
    student_interval,
)
from evaluators.base import wilson


def test_students_interval_by_hand():
    # t(0.975; 1) = 12.706205; std = 0.02 / √2
    assert student_interval([0.50, 0.52]) == pytest.approx((0.0141421, 0.3829380, 0.6370620), abs=1e-6)
    assert student_interval([0.1, 0.9])[1:] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("cells", "text"),
    [((0.5, 0.4, 0.6), "0.500 [0.400, 0.600]"), (("0.5", "", ""), "0.500"), (("", "", ""), "absent")],
)
def test_rows_and_cells_of_a_table_are_written_alike(cells, text):
    assert interval(dict(zip(("x", "x_low", "x_high"), cells, strict=True)), "x") == text


def test_an_interval_of_huge_numbers_is_no_error():
    """The share of a gap is a quotient, and may be huge."""
    std, low, high = student_interval([1e300, -1e300], -math.inf, math.inf)
    assert std == pytest.approx(1.414e300, rel=1e-3)
    assert low == -high


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
    assert found.interval == "binomial, one model each: says nothing about the methods"


def test_swapping_the_sides_mirrors_the_difference():
    a, b = (0.9, 0.8, 0.93), (0.5, 0.45, 0.57)
    there, back = binomial_difference(a, b), binomial_difference(b, a)
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)


def test_what_is_no_proportion_is_not_clipped_and_has_no_interval_from_one_pair():
    found = paired_difference([-900.0, -880.0], [-1000.0, -990.0], limit=float("inf"))
    assert (found.difference, found.low < 50, found.high > 160) == (105.0, True, True)
    one = single_difference(-900.0, -1000.0)
    assert (one.difference, one.pairs) == (100.0, 1)
    assert one.low != one.low
    assert one.interval == "one model each: says nothing about the methods"
