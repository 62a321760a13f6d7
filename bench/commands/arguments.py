"""What the command line's arguments mean: text -> methods, seeds, numbers."""

from __future__ import annotations

import argparse
import re

from bench.errors import UsageError, unknown
from bench.execution.durations import NUMBER
from bench.runs.names import LARGEST_SEED, MOST_SEEDS
from evaluators import EVALUATORS
from methods import METHODS, all_methods


def parse_methods(text: str) -> list[str]:
    """Names, or all: each method once, in the order given. Raises UsageError for an unknown name."""
    return _names("--methods", "method", text, list(METHODS), all_methods())


def parse_priors(text: str) -> list[str]:
    """Names, or all: each prior that can be fitted once, in the order given. Raises UsageError for an unknown name."""
    from methods import fitted_priors

    fitted = fitted_priors()
    return _names("--prior", "fitted prior", text, fitted, fitted)


def parse_evaluators(text: str) -> list[str]:
    """Names, or all but fid, which needs a file. Raises UsageError for an unknown name."""
    everything = [name for name in EVALUATORS if name != "fid"]
    return _names("--evaluators", "evaluator", text, list(EVALUATORS), everything)


def _names(option: str, what: str, text: str, known: list[str], everything: list[str]) -> list[str]:
    names = everything if text.strip() == "all" else [name for part in text.split(",") if (name := part.strip())]
    for name in names:
        if name not in known:
            raise UsageError(f"{option}: {unknown(what, name, [*known, 'all'])}")
    if not names:
        raise UsageError(f"{option} {text!r}: names no {what} (allowed: all, {', '.join(known)})")
    return list(dict.fromkeys(names))


def parse_seeds(text: str) -> list[int]:
    """Such as: 0-2,7 -> [0, 1, 2, 7]. Raises UsageError for anything else, and for too large or too many of them."""
    option = f"--seeds {text[:60]!r}"
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = re.fullmatch(f"({NUMBER})(?:-({NUMBER}))?", part.strip(" "))
        if not found:
            raise UsageError(f"{option}: expected numbers and ranges such as 0, 0-2 or 1,3,5")
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last:
            raise UsageError(f"{option}: the range {first}-{last} is backwards: {last}-{first} names its seeds")
        if last > LARGEST_SEED:
            raise UsageError(f"{option}: {last} is too large: the largest seed is {LARGEST_SEED}")
        if last - first < MOST_SEEDS:
            seeds |= dict.fromkeys(range(first, last + 1))
        if last - first >= MOST_SEEDS or len(seeds) > MOST_SEEDS:
            raise UsageError(f"{option}: names more than {MOST_SEEDS:,} seeds; split them over several commands")
    return list(seeds)


def whole_number(text: str) -> int:
    """The type of an option that takes a whole number, for argparse: decimal digits, and nothing else."""
    if not re.fullmatch(f"-?{NUMBER}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number in decimal digits, such as 4, got {text!r}")
    return int(text)
