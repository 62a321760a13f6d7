"""A method's settings as a tree of plain values, before they become its `Config`: what a preset and `--set` write into.

Which keys there are below `prior` depends on the prior that the tree names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.config.schema import as_plain
from bench.config.values import field_defaults, field_types, from_word, is_nested, prior_class, shown, takes_word
from bench.errors import UsageError
from methods.priors.base import PriorConfig

Tree = dict[str, Any]


def filled(cls: Any, entry: Mapping[str, Any], trained: Mapping[str, Any], where: str) -> Tree:
    """A preset's entry with every nested dataclass spelled out: its default, under what the entry says.

    Args:
        cls: the method's `Config`.
        trained: the preset's settings of priors, by their names.

    Raises:
        UsageError: for an unknown prior, and for a value that is neither a word nor keys and values.
    """
    tree = dict(entry)
    for key, hint in field_types(cls).items():
        if is_nested(hint) and (key in entry or key in field_defaults(cls)):
            tree[key] = _subtree(cls, key, entry.get(key, {}), trained, f"{where}: {key}")
    return tree


def _subtree(cls: Any, key: str, value: Any, trained: Mapping[str, Any], where: str) -> Tree:
    hint, default = field_types(cls)[key], field_defaults(cls).get(key)
    values = from_word(hint, value, where) if isinstance(value, str) else value
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: expected keys and values, got {shown(value)}")
    own: Tree = {} if default is None else as_plain(default)
    if hint is not PriorConfig:
        return {**own, **values}
    name: Any = values.get("name", own.get("name"))
    prior_class(name, where)
    return {**(own if name == own.get("name") else {}), **trained.get(name, {}), **values, "name": name}


def put(cls: Any, tree: Tree, path: Sequence[str], value: Any, trained: Mapping[str, Any], where: str) -> Tree:
    """A copy of a filled tree with `value` at a path that it `has`.

    A prior of another name starts from that prior's own settings; the name that is there already changes nothing.

    Raises UsageError for an unknown prior, and for what is not a word where a word stands for several keys.
    """
    head, *rest = path
    hint = field_types(cls)[head]
    if rest:
        inner = tree.get(head, {})
        below = prior_class(inner.get("name"), where) if hint is PriorConfig else hint
        return {**tree, head: put(below, inner, rest, value, {}, where)}
    if not is_nested(hint):
        return {**tree, head: value}
    if not isinstance(value, str):
        one = next(iter(key for key in field_types(hint) if key != "name"), "scale")
        raise UsageError(f"{where}: {head}: expected one word, got {shown(value)}. Its keys are set by {head}.{one}=…")
    if hint is PriorConfig and value == tree.get(head, {}).get("name"):
        return tree
    return {**tree, head: _subtree(cls, head, value, trained, f"{where}: {head}")}


def has(cls: Any, tree: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether the path names a setting, given the priors that the tree names."""
    if not path:
        return False
    head, *rest = path
    hint = field_types(cls).get(head)
    if hint is None or (head == "name" and issubclass(cls, PriorConfig)):
        return False
    if not is_nested(hint):
        return not rest
    if not rest:
        return takes_word(hint)
    inner = tree.get(head, {})
    return has(prior_class(inner.get("name"), head) if hint is PriorConfig else hint, inner, rest)


def leaves(cls: Any, tree: Mapping[str, Any]) -> list[str]:
    """The names of all the settings below a filled tree."""
    names = []
    for key, hint in field_types(cls).items():
        if has(cls, tree, [key]):
            names.append(key)
        if is_nested(hint) and isinstance(inner := tree.get(key), Mapping):
            below = prior_class(inner.get("name"), key) if hint is PriorConfig else hint
            names += [f"{key}.{name}" for name in leaves(below, inner)]
    return names
