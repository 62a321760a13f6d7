import argparse
import time

import pytest

from bench.commands.arguments import (
    parse_evaluators,
    parse_methods,
    parse_priors,
    parse_seeds,
    whole_number,
)
from bench.errors import UsageError
from evaluators import EVALUATORS
from methods import EXTRA, METHODS, fitted_priors


def test_all_is_everything_that_needs_nothing_more():
    assert parse_methods("all") == [name for name in METHODS if name not in EXTRA]
    assert parse_evaluators("all") == [name for name in EVALUATORS if name != "fid"]
    assert parse_priors("all") == fitted_priors()


def test_spaces_around_commas_are_nothing():
    assert parse_methods("mmvae, ebm-base ,mopoe") == ["mmvae", "ebm-base", "mopoe"]
    assert parse_evaluators(" joint, cross") == ["joint", "cross"]
    assert parse_priors("flow , mixture") == ["flow", "mixture"]


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_methods, "mmvea", "--methods: unknown method 'mmvea': did you mean 'mmvae'"),
        (parse_methods, ",", "--methods ',': names no method"),
        (parse_methods, "\x1b[31m", r"unknown method '\\x1b\[31m'"),
        (parse_evaluators, "joynt", "--evaluators: unknown evaluator 'joynt': did you mean 'joint'"),
        (parse_priors, "flo", "--prior: unknown fitted prior 'flo': did you mean 'flow'"),
        (parse_priors, "own", "unknown fitted prior 'own'"),
    ],
)
def test_unknown_names_are_refused(parse, text, message):
    with pytest.raises(UsageError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]),
        ("0-2,7", [0, 1, 2, 7]),
        ("3,1,3,1-2", [3, 1, 2]),
        ("2147483647", [2**31 - 1]),
        ("0-9999,5-9", list(range(10_000))),
        ("0, 3-4 ,7", [0, 3, 4, 7]),
    ],
)
def test_seeds_are_numbers_and_ranges(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            (text, "expected numbers and ranges")
            for text in ("", "-1", "1-", "a", "1,,2", "1.5", "1e3", "0x1", "1 - 3", "1 3")
        ],
        *[(text, "expected numbers and ranges") for text in ("010", "1_0", "00-09", "١٢", "²", "9" * 5000)],
        ("3-1", "the range 3-1 is backwards: 1-3 names its seeds"),
        ("2147483648", "2147483648 is too large: the largest seed is 2147483647"),
        ("100000000000000", "is too large"),
        ("0-1000000000", "names more than 10,000 seeds; split them over several commands"),
        ("0-10000", "names more than 10,000 seeds"),
        (",".join(f"{n}-{n + 9999}" for n in range(0, 10**8, 10**4)), "names more than 10,000 seeds"),
    ],
)
def test_seeds_that_cannot_be_are_refused_at_once(text, message):
    started = time.perf_counter()
    with pytest.raises(UsageError, match=message):
        parse_seeds(text)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(("text", "number"), [("4", 4), ("0", 0), ("-3", -3)])
def test_whole_numbers_are_decimal_digits(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize("text", ["", "010", "1_0", "0x4", "4.0", "١", " 4", "+4", "9" * 5000, "four"])
def test_other_whole_numbers_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number in decimal digits, such as 4"):
        whole_number(text)
