"""The text of `--set` and `--sweep` -> the paths of settings and their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.config.values import read_yaml
from bench.errors import UsageError

Path = tuple[str, ...]  # the parts of a setting's name: ("prior", "steps")


def parse_settings(settings: Sequence[str]) -> dict[Path, Any]:
    """["prior.steps=20"] -> {("prior", "steps"): 20}; of a key that is given again the last value counts.

    Raises UsageError for what is not KEY=VALUE, or cannot be read.
    """
    parsed: dict[Path, Any] = {}
    for setting in settings:
        key, equals, value = _printable("--set", setting).partition("=")
        if not equals or not key:
            raise UsageError(f"--set {setting!r}: expected KEY=VALUE, such as trainer.lr=1e-3 or prior.steps=20")
        parsed[tuple(key.split("."))] = read_yaml(value, f"--set {setting!r}: the value {value!r}")
    return parsed


def parse_sweeps(sweeps: Sequence[str]) -> dict[Path, list[Any]]:
    """["prior.steps=20,60"] -> {("prior", "steps"): [20, 60]}; each value is read as that of `--set` is.

    Raises UsageError for what is not KEY=VALUE,VALUE, cannot be read, or names a key for the second time.
    """
    parsed: dict[Path, list[Any]] = {}
    for sweep in sweeps:
        key, _, values = _printable("--sweep", sweep).partition("=")
        path = tuple(key.split("."))
        if not key or not values.strip():
            raise UsageError(f"--sweep {sweep!r}: expected KEY=VALUE,VALUE, such as trainer.lr=1e-3,5e-4")
        if path in parsed:
            raise UsageError(f"--sweep {key} is given twice; name all its values at once: {key}=VALUE,VALUE")
        # A YAML list, so that a value may have commas of its own: prior.betas=[0,0.9],[0.5,0.999]
        read = read_yaml(f"[{values}]", f"--sweep {sweep!r}: the values {values!r}")
        if not isinstance(read, list):
            raise UsageError(f"--sweep {sweep!r}: expected KEY=VALUE,VALUE, such as trainer.lr=1e-3,5e-4")
        parsed[path] = read
    return parsed


def _printable(option: str, text: str) -> str:
    """The text itself. Raises UsageError where it would do something to a terminal, a table or a script."""
    if not text.isprintable():
        raise UsageError(f"{option} {text!r}: has characters that cannot be shown")
    return text
