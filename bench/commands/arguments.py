"""What the command line's arguments mean: text -> methods, seeds, device."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.errors import UsageError, unknown
from evaluators import EVALUATORS
from methods import EXTRA, FITTED_PRIORS, METHODS

if TYPE_CHECKING:
    import torch


def parse_methods(text: str) -> list[str]:
    """Names, or all: each method once, in the order given. Raises UsageError for an unknown name."""
    return _names("--methods", "method", text, list(METHODS), [name for name in METHODS if name not in EXTRA])


def parse_priors(text: str) -> list[str]:
    """Names, or all: each fitted prior once, in the order given. Raises UsageError for an unknown name."""
    return _names("--prior", "prior", text, list(FITTED_PRIORS), list(FITTED_PRIORS))


def parse_evaluators(text: str) -> list[str]:
    """Names, or all but fid, which needs a file. Raises UsageError for an unknown name."""
    everything = [name for name in EVALUATORS if name != "fid"]
    return _names("--evaluators", "evaluator", text, list(EVALUATORS), everything)


def _names(option: str, what: str, text: str, known: list[str], everything: list[str]) -> list[str]:
    names = everything if text == "all" else [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise UsageError(unknown(what, name, [*known, "all"]))
    if not names:
        raise UsageError(f"{option} {text!r}: names no {what} (allowed: all, {', '.join(known)})")
    return list(dict.fromkeys(names))


def parse_seeds(text: str) -> list[int]:
    """Such as: 0-2,7 -> [0, 1, 2, 7]. Raises UsageError for anything else."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise UsageError(f"--seeds {text!r}: expected numbers and ranges such as 0, 0-2 or 1,3,5")
        seeds += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(seeds))


def parse_duration(option: str, text: str) -> float:
    """Seconds: 90s, 9m and 1.5h are 90, 540 and 5400, and a plain number is seconds. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"{option} {text!r}: expected a time above zero such as 90s, 9m or 1.5h")
    return seconds


def choose_device(name: str) -> torch.device:
    """Raises UsageError for a device that torch does not know or this machine does not have."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: not usable here ({str(error).splitlines()[0]}); try auto or cpu") from None
    return device
