"""YAML as people mean it: the scalars of YAML 1.2's core schema, with decimal numbers only.

YAML 1.1, PyYAML's default, reads 010 as 8, 1:30 as 90, 1_000 as 1000 and `no` as false. Here these stay words, which
no number accepts. Tags, dates and duplicate keys are refused, and keys are words as they are written.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode
from yaml.scanner import ScannerError

from bench.errors import UsageError

CHARACTERS = 256_000  # no settings are longer; PyYAML takes seconds for as many
DIGITS = 400  # of a whole number: more than any float has
NODES = 100_000  # with what aliases repeat: ten lines can stand for 10^10 nodes

_PREFIX = "tag:yaml.org,2002:"
_NATURAL = r"(?:0|[1-9][0-9]*)"
_EXPONENT = r"[eE][-+]?[0-9]+"


class Loader(yaml.SafeLoader):
    """A safe loader with its own scalars."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]

    def fetch_tag(self) -> None:
        raise ScannerError(None, None, "tags such as !!int are not allowed", self.get_mark())

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        node: MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise ConstructorError(None, None, "a key has to be one word", key.start_mark)
            if key.value in seen:
                raise ConstructorError(None, None, f"the key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)  # takes in what `<<` names
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


def whole_number(_loader: Loader, node: ScalarNode) -> int:
    if len(node.value) > DIGITS:
        raise ConstructorError(None, None, "a number has too many digits", node.start_mark)
    return int(node.value)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", rf"[-+]?{_NATURAL}", [*"-+0123456789"]),
    ("float", rf"[-+]?(?:(?:{_NATURAL}\.[0-9]*|\.[0-9]+)(?:{_EXPONENT})?|{_NATURAL}{_EXPONENT})", [*"-+.0123456789"]),
    ("merge", "<<", ["<"]),
):
    Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(rf"(?:{_pattern})\Z"), _first)
Loader.add_constructor(f"{_PREFIX}int", whole_number)
Loader.add_constructor(f"{_PREFIX}float", lambda _loader, node: float(node.value))
Loader.add_constructor(f"{_PREFIX}merge", lambda _loader, node: node.value)  # `<<` that is no key


def read_yaml(text: str, where: str) -> Any:
    """The value of one YAML document: mappings with words as keys, lists, words, decimal numbers, true, false, null.

    Raises UsageError, which begins with `where`, for anything else.
    """
    if len(text) > CHARACTERS:
        raise UsageError(f"{where}: is longer than {CHARACTERS:,} characters: these are no settings")
    try:
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            count(node, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UsageError(f"{where}: cannot be read ({line}{error.problem})") from None
    except yaml.reader.ReaderError as error:
        raise UsageError(f"{where}: cannot be read (has the character U+{error.character:04X})") from None
    except RecursionError:
        raise UsageError(f"{where}: cannot be read (too deeply nested)") from None
    except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF"
        raise UsageError(f"{where}: cannot be read (has an escape that is no character)") from None


def count(node: Node, known: dict[int, int]) -> int:
    """The nodes at and below one, each alias as all that it repeats. Raises ComposerError above `NODES`, or for a
    circle.

    Args:
        known: node ids -> counts, 0 while a node is counted.
    """
    if isinstance(node, ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0
        below = [n for pair in node.value for n in pair] if isinstance(node, MappingNode) else node.value
        known[id(node)] = total = 1 + sum(count(child, known) for child in below)
        if total > NODES:
            raise ComposerError(None, None, f"aliases make it longer than {NODES:,} values", node.start_mark)
    elif not known[id(node)]:
        raise ComposerError(None, None, "an alias stands within its own value", node.start_mark)
    return known[id(node)]
