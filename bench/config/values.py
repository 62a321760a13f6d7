"""Plain values -> frozen dataclasses, each value as its field's declared type says.

A declared type is bool, int, float, str, a Literal, a tuple, another dataclass, `PriorConfig` (the settings of any
prior, told apart by `name`), or one of these or None. One word stands for a dataclass of choices: the name of a prior,
or the same choice for all fields (`network: conv`).
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar

from bench.config.names import LATER
from bench.config.yaml12 import read_yaml
from bench.errors import UsageError, unknown
from methods import PRIORS, prior_config_class
from methods.priors.base import PriorConfig

__all__ = ["build", "read_yaml"]  # what other packages read settings with

T = TypeVar("T")

LARGEST = 2**63 - 1  # of whole numbers: what tensors and files hold
LINE = 80  # characters of a value in a message
FORMS = {
    int: "a whole number in decimal digits, such as 8",
    float: "a number in decimal digits, such as 0.5 or 1e-3",
    bool: "true or false",
    str: "a word; quote it if it looks like a number",
}


def build(cls: type[T], values: Any, where: str, *, complete: bool = False) -> T:
    """An instance of the dataclass `cls` from plain values, each coerced to its field's declared type.

    Args:
        complete: whether a key that has a default has to be there all the same.

    Raises:
        UsageError: says where, for an unknown or missing key, a value of the wrong type or out of range.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: expected keys and values, got {shown(values)}")
    known: Any = cls
    hints, defaults = field_types(known), field_defaults(known)
    for key in values:
        if key not in hints:
            raise UsageError(f"{where}: {unknown('key', clipped(key), hints)}")
    if missing := [key for key in hints if key not in values and (complete or key not in defaults)]:
        raise UsageError(f"{where}: the key {missing[0]!r} is missing")
    arguments = {key: _coerce(hints[key], value, f"{where}: {key}", complete) for key, value in values.items()}
    try:
        return cls(**arguments)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _coerce(hint: Any, value: Any, where: str, complete: bool) -> Any:
    if is_nested(hint):
        values = from_word(hint, value, where) if isinstance(value, str) else value
        if hint is PriorConfig:
            hint = prior_class(values.get("name") if isinstance(values, Mapping) else values, where)
        return build(hint, values, where, complete=complete)
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if not any(value == option and type(value) is type(option) for option in options):
            raise UsageError(f"{where}: {unknown('value', clipped(value), map(str, options))}")
        return value
    if origin is tuple:
        return _coerce_tuple(options, value, where, complete)
    if origin in (types.UnionType, typing.Union):
        if value is None and types.NoneType in options:
            return None
        (hint,) = (option for option in options if option is not types.NoneType)
        return _coerce(hint, value, where, complete)
    return _coerce_scalar(hint, value, where)


def _coerce_tuple(options: tuple[Any, ...], value: Any, where: str, complete: bool) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{where}: expected a list of values, got {shown(value)}")
    if len(options) == 2 and options[1] is Ellipsis:
        options = (options[0],) * len(value)
    if len(value) != len(options):
        raise UsageError(f"{where}: expected {len(options)} values, got {shown(value)}")
    return tuple(_coerce(option, item, where, complete) for option, item in zip(options, value, strict=True))


def _coerce_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint not in FORMS:
        raise TypeError(f"{where}: a setting cannot be declared as {hint}")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number and abs(value) <= 1e308 and math.isfinite(value):
        return float(value) + 0.0  # 0.0 for −0.0, which is the same setting
    if hint is type(value) and hint is not float:
        if hint is int and abs(value) > LARGEST:
            raise UsageError(f"{where}: {shown(value)} is too large")
        return value
    raise UsageError(f"{where}: expected {hint.__name__}, got {shown(value)} ({FORMS[hint]})")


def with_later(cls: Any, values: Any) -> Any:
    """The values that a file has for a dataclass, with those of `LATER` that it is too old to have."""
    if not isinstance(values, Mapping):
        return values
    return {**{key: value for key, value in LATER.items() if key in field_types(cls)}, **values}


@cache
def field_types(cls: Any) -> dict[str, Any]:
    """A dataclass's fields and their declared types, in their order."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


@cache
def field_defaults(cls: Any) -> dict[str, Any]:
    """The defaults of the fields that have one."""
    defaults = {}
    for field in dataclasses.fields(cls):
        if field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
    return {name: value for name, value in defaults.items() if name in field_types(cls)}


def is_nested(hint: Any) -> bool:
    """Whether a declared type is a dataclass, with settings of its own."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def takes_word(hint: Any) -> bool:
    """Whether one word can stand for a dataclass: the name of a prior, or one choice for all fields."""
    if not is_nested(hint):
        return False
    return issubclass(hint, PriorConfig) or all(typing.get_origin(t) is Literal for t in field_types(hint).values())


def from_word(hint: Any, word: str, where: str) -> dict[str, Any]:
    """The values that one word stands for. Raises UsageError where it can stand for none."""
    if not takes_word(hint):
        raise UsageError(f"{where}: expected keys and values, got {shown(word)}")
    return {"name": word} if issubclass(hint, PriorConfig) else dict.fromkeys(field_types(hint), word)


def prior_class(name: Any, where: str) -> type[PriorConfig]:
    """The settings of the prior of that name, trained with a model. Raises UsageError for any other name."""
    known = isinstance(name, str) and name in PRIORS
    if known and (found := prior_config_class(name)):
        return found
    trainable = [prior for prior in PRIORS if prior_config_class(prior)]
    if name is None:
        raise UsageError(f"{where}: expected the name of a prior (allowed: {', '.join(trainable)})")
    role = f": {name} is fitted to trained models, by bench evaluate --prior" if known else ""
    raise UsageError(f"{where}: {unknown('prior', clipped(name), trainable)}{role}")


def clipped(value: Any) -> str:
    """A word as it is, anything else as it is written, for a message that shows what was close to it."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"


def shown(value: Any) -> str:
    """The value for a message: on one line, control characters escaped, not longer than a line."""
    return clipped(repr(value))
