"""What the fuzzers share: rounds until a time is over, and their command line."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

Fuzz = Callable[[float, int, Iterator[int]], int]  # seconds, seed, numbers of the rounds -> rounds played


class Failure(AssertionError):
    """What the program did that it must not do."""


def play_until(seconds: float, rounds: Iterator[int], play: Callable[[int], None]) -> int:
    """Plays rounds until the time is over; how many."""
    played, started = 0, time.monotonic()
    for number in rounds:
        if time.monotonic() - started > seconds:
            break
        play(number)
        played += 1
    return played


def command(description: str | None, fuzz: Fuzz) -> int:
    """The command line of a fuzzer; 1 after a failure."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--round", type=int, help="only this one")
    options = parser.parse_args()
    rounds = iter(range(10**9)) if options.round is None else iter([options.round])
    try:
        played = fuzz(options.seconds, options.seed, rounds)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{played} rounds, no failure")
    return 0
