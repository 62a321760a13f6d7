"""Reading files that anybody may have damaged: nothing blocks, and what is wrong is one sentence.

A results folder is shared and copied. Where a file should be there may be half of one, a folder, a FIFO or a link to
nowhere, and a file may have other types in it than were written. Readers here raise `Unreadable` and nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from msgspec import convert
from msgspec.json import Decoder

from bench.runs.store import parse_json, read_regular

T = TypeVar("T")

SIZE = 32 << 20  # bytes; no file of a run but its checkpoint comes near it
CONFIG_SIZE = 256 << 10
DEPTH, NODES = 50, 20_000  # of a configuration: YAML's aliases make a few lines a billion entries
NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}"
)  # part of a path and of a table: no separators, no spaces, no bars
FINGERPRINT = re.compile(r"[0-9a-f]{16,128}")
HASH = re.compile(r"[0-9a-f]{8}")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same trees, seven times as fast


class Unreadable(Exception):
    """A file that is not what it should be. The message says why, without the path."""


class Missing(Unreadable):
    """There is nothing at the path."""


def read_bytes(path: Path, limit: int = SIZE) -> bytes:
    """Content of a regular file of at most `limit` bytes. Raises Unreadable for anything else, Missing for nothing."""
    try:
        content = read_regular(path, limit)
    except FileNotFoundError:
        raise Missing("is missing") from None
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None
    if not content:
        raise Unreadable("is empty")
    return content


def read_text(path: Path, limit: int = SIZE) -> str:
    """UTF-8. Raises Unreadable."""
    try:
        return read_bytes(path, limit).decode()
    except UnicodeDecodeError:
        raise Unreadable("is no text") from None


def read_tree(path: Path) -> dict[str, Any]:
    """A JSON file whose content is an object. NaN and infinities are refused. Raises Unreadable."""
    return mapping(decoded(read_bytes(path)), "its content")


_ANY = Decoder(Any)


def decoded(content: bytes, decoder: Decoder[T] = _ANY) -> T:
    """What the JSON says, of the decoder's type. Raises Unreadable."""
    try:
        return decoder.decode(content)
    except (ValueError, RecursionError):
        # Slower, but it says what is wrong, and reads what Python writes of paths that are not UTF-8.
        kind: Any = decoder.type  # not only classes
        found: T = converted(_plain(content), kind)
        return found


def _plain(content: bytes) -> Any:
    try:
        return parse_json(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is no JSON ({shortened(str(error), 80)})") from None


def converted(tree: Any, kind: type[T]) -> T:
    """What was parsed, as a value of that type. Raises Unreadable."""
    try:
        return convert(tree, kind)
    except (ValueError, RecursionError) as error:  # not only a ValidationError: of text that is no UTF-8 another one
        raise Unreadable(f"is damaged ({shortened(str(error), 120)})") from None


def parse_config(text: str) -> dict[str, Any]:
    """A YAML mapping of bounded depth and size. Raises Unreadable."""
    try:
        depth = 0
        for event in yaml.parse(text, _Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:  # the loader would overrun the stack
                raise Unreadable(f"is nested more than {DEPTH} deep")
        tree = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Unreadable(f"is no YAML ({shortened(str(error), 80)})") from None
    _count(tree, [NODES])
    return mapping(tree, "its content")


def _count(value: Any, left: list[int], depth: int = 0) -> None:
    """Visits every entry as often as it is reached, so that aliases count in full."""
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH:
        raise Unreadable(f"has more than {NODES} entries, or is nested more than {DEPTH} deep")
    if isinstance(value, dict | list):
        for item in mapping(value, "a part of it").values() if isinstance(value, dict) else value:
            _count(item, left, depth + 1)
    elif not (value is None or isinstance(value, bool | str) or is_number(value)):
        raise Unreadable(f"has a value that no setting can have: {_kind(value)}")


@lru_cache(maxsize=1024)  # of protocols and reasons, which thousands of files share
def shortened(text: str, length: int = 300) -> str:
    """One line without control characters, which would reach the terminal and the tables, of at most `length`."""
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line if len(line) <= length else line[: length - 1] + "…"


def mapping(value: Any, where: str) -> dict[str, Any]:
    """The value, if it is a mapping of names. Raises Unreadable."""
    if not isinstance(value, dict) or not set(map(type, value)) <= {str}:
        raise Unreadable(f"{where} should be names and values, and is {_kind(value)}")
    return value


def section(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The mapping under a key. Raises Unreadable."""
    return mapping(_take(tree, key), key)


def name(tree: Mapping[str, Any], key: str, pattern: re.Pattern[str] = NAME) -> str:
    """A name that may be part of a path. Raises Unreadable."""
    value = _take(tree, key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Unreadable(f"{key} should be a name, and is {_kind(value)}")
    return value


def text(tree: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """Text for people, on one line. Raises Unreadable; a `default` stands for null or nothing."""
    value = tree.get(key) if default is not None else _take(tree, key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Unreadable(f"{key} should be text, and is {_kind(value)}")
    return shortened(value)


def number(tree: Mapping[str, Any], key: str) -> float:
    """A finite number. Raises Unreadable."""
    value = _take(tree, key)
    if not is_number(value):
        raise Unreadable(f"{key} should be a finite number, and is {_kind(value)}")
    return value  # type: ignore[no-any-return]  # an int stays one: tables show it as it was written


def optional_number(tree: Mapping[str, Any], key: str) -> float | None:
    """A finite number, or None for null or nothing. Raises Unreadable."""
    return number(tree, key) if tree.get(key) is not None else None


def is_number(value: Any) -> bool:
    """Whether it is a finite number that fits a float."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def count(tree: Mapping[str, Any], key: str, lowest: int = 0) -> int:
    """A whole number from `lowest` to 2⁶³ − 1. Raises Unreadable."""
    value = _take(tree, key)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value < 2**63:
        raise Unreadable(f"{key} should be a whole number from {lowest} on, and is {_kind(value)}")
    return value


def _take(tree: Mapping[str, Any], key: str) -> Any:
    if key not in tree:
        raise Unreadable(f"has no {key!r}")
    return tree[key]


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a mapping"
    try:
        return shortened(repr(value), 40)
    except ValueError:  # a number of more digits than Python prints
        return "a huge number"
