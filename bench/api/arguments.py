"""What the functions are given -> methods, seeds, settings, folders.

Each of these raises UsageError, with the argument's name, for what cannot be meant: before anything is written.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from bench.config.names import spelled
from bench.config.values import shown
from bench.datasets import default_root
from bench.errors import UsageError
from bench.runs.names import LARGEST_SEED, MOST_SEEDS
from methods import all_methods

A_SEED = f"a whole number from 0 to {LARGEST_SEED}"
SEVERAL_SEEDS = f"whole numbers from 0 to {LARGEST_SEED}, such as 0, [0, 1, 2] or range(3)"


def refused(name: str, value: Any, expected: str) -> UsageError:
    return UsageError(f"{name}={shown(value)}: expected {expected}")


def whole_number(name: str, value: Any, expected: str, least: int, most: int | None = None) -> int:
    """Also one of numpy's or a tensor of one; neither true nor 1.0."""
    try:
        number = operator.index(value)
    except (TypeError, ValueError):
        raise refused(name, value, expected) from None
    if isinstance(value, bool) or number < least or (most is not None and number > most):
        raise refused(name, value, expected)
    return number


def seed_of(value: Any) -> int:
    return whole_number("seed", value, A_SEED, 0, LARGEST_SEED)


def seeds_of(value: Any) -> list[int]:
    """One or several, each once, in their order."""
    several = [value] if _is_whole(value) else value
    if isinstance(several, str | bytes | Mapping) or not isinstance(several, Iterable):
        raise refused("seeds", value, SEVERAL_SEEDS)
    try:
        first = list(islice(several, MOST_SEEDS + 1))
    except TypeError:  # an array without dimensions
        raise refused("seeds", value, SEVERAL_SEEDS) from None
    if len(first) > MOST_SEEDS:
        raise UsageError(f"seeds={shown(value)}: more than {MOST_SEEDS:,} seeds; split them over several calls")
    if not first:
        raise refused("seeds", value, SEVERAL_SEEDS)
    return list(dict.fromkeys(whole_number("seeds", seed, SEVERAL_SEEDS, 0, LARGEST_SEED) for seed in first))


def _is_whole(value: Any) -> bool:
    try:
        operator.index(value)
    except (TypeError, ValueError):
        return False
    return True


def methods_of(value: Any) -> list[str]:
    """Names, or all: each once, in their order. Whether there are such methods is seen later."""
    if isinstance(value, str) and value == "all":
        return all_methods()
    if isinstance(value, str) and "," in value:
        raise refused("methods", value, f"one name, or a list of names: {value.replace(' ', '').split(',')}")
    return names_of("methods", value, 'a name such as "mmvae", several such as ["mmvae", "ebm-base"], or "all"')


def names_of(name: str, value: Any, expected: str) -> list[str]:
    """One name or several, each once, in their order."""
    several = [value] if isinstance(value, str) else value
    if isinstance(several, bytes | Mapping) or not isinstance(several, Iterable):
        raise refused(name, value, expected)
    names = list(several)
    if not names or not all(isinstance(word, str) for word in names):
        raise refused(name, value, expected)
    return list(dict.fromkeys(names))


def word_of(name: str, value: Any, expected: str) -> str:
    if not isinstance(value, str):
        raise refused(name, value, expected)
    return value


def folder_of(name: str, value: Any) -> Path:
    if not isinstance(value, str | os.PathLike) or "\0" in str(value):
        raise refused(name, value, "a folder, as text or a Path")
    return Path(value)


def root_of(value: Any) -> Path:
    """Of the data files; where none is named, as `bench.datasets.default_root` has it."""
    return default_root(None if value is None else folder_of("data_root", value))


def settings_of(value: Any) -> list[str]:
    """As `--set` takes them."""
    example = 'a dictionary such as {"trainer.lr": 1e-3, "prior": "energy"}'
    return [spelled(key, plain("settings", item)) for key, item in _entries("settings", value, example)]


def sweeps_of(value: Any) -> list[str]:
    """As `--sweep` takes them."""
    example = 'a dictionary of lists, such as {"beta": [0.5, 1.0]}'
    sweeps = []
    for key, values in _entries("sweep", value, example):
        several = plain("sweep", values)
        if not isinstance(several, list) or not several:
            raise refused("sweep", value, example)
        sweeps.append(f"{key}={json.dumps(several)[1:-1]}")
    return sweeps


def _entries(name: str, value: Any, example: str) -> list[tuple[str, Any]]:
    entries = {} if value is None else value
    if not isinstance(entries, Mapping):
        raise refused(name, value, example)
    for key in entries:
        if not isinstance(key, str) or not key or "=" in key or not key.isprintable():
            raise UsageError(f"{name}: {shown(key)} is no name of a setting: expected {example}")
    return list(entries.items())


def plain(name: str, value: Any) -> Any:
    """The value as JSON has it: numpy's numbers and arrays, and ranges and tuples, are numbers and lists."""
    try:
        return json.loads(json.dumps(value, default=_plain))
    except (AttributeError, TypeError, ValueError, RecursionError):
        raise UsageError(f"{name}: {shown(value)} is no value of a setting: expected words, numbers or lists") from None


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, range):
        return list(value)
    return value.tolist()
