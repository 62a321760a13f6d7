"""Settings by their names on the command line, for saying how configurations differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SECTIONS = ("model", "trainer", "evaluation")


def named(config: Mapping[str, Any], sections: Sequence[str] = SECTIONS) -> dict[str, Any]:
    """The settings of a plain configuration by their names in `--set`, in which the model's keys have no section."""
    return {
        key if section == "model" else f"{section}.{key}": value
        for section in sections
        for key, value in _leaves(config.get(section, {}))
    }


def spelled(key: str, value: Any) -> str:
    """`key=value` as `--set` takes it, without spaces."""
    return f"{key}={value if isinstance(value, str) else json.dumps(value, separators=(',', ':'))}"


def differing(configs: Iterable[Mapping[str, Any]]) -> list[str]:
    """What tells each of the configurations from the others: the settings that are not the same in all of them."""
    trees = [named(config) for config in configs]
    keys = dict.fromkeys(key for tree in trees for key in tree)
    # Not a set of values: lists are among them.
    several = [key for key in keys if any(tree.get(key) != trees[0].get(key) for tree in trees)]
    return [" ".join(spelled(key, tree[key]) for key in several if key in tree) for tree in trees]


def _leaves(tree: Mapping[str, Any]) -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves += [(f"{key}.{name}", leaf) for name, leaf in _leaves(value)]
        else:
            leaves.append((key, list(value) if isinstance(value, tuple) else value))
    return leaves
