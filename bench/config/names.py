"""Settings by their names on the command line, for saying how configurations differ.

Configurations are plain here, as `RunConfig.as_dict` gives them: those of files may be of another version.
Nothing here imports torch, so that `bench status` answers at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

SECTIONS = ("model", "trainer", "modalities")
NONE_HELD_OUT = {"validation": 0.0, "validate_every": 1}  # of the trainer, where a run is older than held-out tuples
LATER = {"max_subsets": 32}  # settings of models and evaluators, with the value that runs from before them have
WORD = re.compile(r"[A-Za-z][\w.+-]*", re.ASCII)


def named(config: Mapping[str, Any], sections: Sequence[str] = SECTIONS) -> dict[str, Any]:
    """The settings of a configuration by their names in `--set`, in which the model's keys have no section.

    A prior's name is the setting `prior`; networks of kinds that the data lack, and kinds themselves, are none, and
    neither is what `LATER` has, at the value there: older runs do not name it.
    """
    settings: dict[str, Any] = {}
    for section in sections:
        tree = config.get(section)
        if section == "model" and isinstance(tree, Mapping) and "network" in tree:
            tree = {**tree, "network": _networks(tree["network"], config.get("modalities"))}
        if section == "model" and isinstance(tree, Mapping):
            tree = without_later(tree)
        for key, value in _leaves(tree):
            if section != "modalities" or not key.endswith(".kind"):
                settings[key if section == "model" else f"{section}.{key}"] = value
    for key, value in NONE_HELD_OUT.items() if "trainer" in sections else ():
        settings.setdefault(f"trainer.{key}", value)
    return settings


def without_later(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A model's or an evaluator's settings but for those of `LATER` that have the value there."""
    return {key: value for key, value in settings.items() if key not in LATER or value != LATER[key]}


def _networks(networks: Any, modalities: Any) -> Any:
    if not isinstance(networks, Mapping) or not isinstance(modalities, Mapping):
        return networks
    kinds = [own.get("kind") for own in modalities.values() if isinstance(own, Mapping)]
    return {kind: name for kind, name in networks.items() if kind in kinds}


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        if not isinstance(value, Mapping):
            yield str(key), list(value) if isinstance(value, tuple) else value
            continue
        for name, leaf in _leaves(value):
            yield (str(key) if name == "name" else f"{key}.{name}"), leaf


def spelled(key: str, value: Any) -> str:
    """`key=value` as `--set` takes it, on one line."""
    word = isinstance(value, str) and WORD.fullmatch(value)
    return f"{key}={value if word else json.dumps(value, separators=(',', ':'))}"


def told(settings: Mapping[str, Any], everything: Mapping[str, Any]) -> list[str]:
    """The settings as `--set` takes them; what is the same for all networks, or all modalities, is said once.

    Args:
        everything: all settings of the configuration, these among them.
    """
    groups: dict[str, list[str]] = {}
    for key in everything:
        groups.setdefault(_group(key), []).append(key)
    words: dict[str, None] = {}
    for key, value in settings.items():
        whole = all(other in settings and settings[other] == value for other in groups[_group(key)])
        words[spelled(_group(key) if whole else key, value)] = None
    return list(words)


def _group(key: str) -> str:
    """The setting that stands for this one and its like, or itself: network.image -> network, modalities.m0.scale ->
    modalities.*.scale."""
    if key.startswith("network."):
        return "network"
    return f"modalities.*.{key.rpartition('.')[2]}" if key.startswith("modalities.") else key


def differing(configs: Iterable[Mapping[str, Any]]) -> list[str]:
    """What tells each of the configurations from the others: the settings that are not the same in all of them.

    Settings of a prior are compared among those that have the prior.
    """
    trees = [named(config) for config in configs]
    several = [key for key in dict.fromkeys(key for tree in trees for key in tree) if _differs(key, trees)]
    return [" ".join(told({key: tree[key] for key in several if key in tree}, tree)) for tree in trees]


def _differs(key: str, trees: Sequence[Mapping[str, Any]]) -> bool:
    parent = key.rpartition(".")[0]
    seen: dict[str, Any] = {}
    return any(seen.setdefault(str(tree.get(parent)), tree.get(key)) != tree.get(key) for tree in trees)
