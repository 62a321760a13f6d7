"""Settings by their names on the command line, for saying how configurations differ.

Configurations are plain here, as `RunConfig.as_dict` gives them: those of files may be of another version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any

from bench.config.grid import Base
from bench.config.likelihoods import KEYS
from bench.config.presets import Preset, load_preset
from bench.config.schema import as_plain
from bench.errors import UsageError, unknown
from methods import METHODS
from methods.modality import ImageModality, TextModality

SECTIONS = ("model", "trainer", "modalities")
DEFAULTS = {
    cls.kind: {field.name: field.default for field in fields(cls) if field.name in KEYS}
    for cls in (ImageModality, TextModality)
}
WORD = re.compile(r"[A-Za-z][\w.+-]*", re.ASCII)


def named(config: Mapping[str, Any], sections: Sequence[str] = SECTIONS) -> dict[str, Any]:
    """The settings of a configuration by their names in `--set`, in which the model's keys have no section.

    A prior's name is the setting `prior`; networks of kinds that the data lack, and kinds themselves, are none.
    """
    settings: dict[str, Any] = {}
    for section in sections:
        tree = config.get(section)
        if section == "model" and isinstance(tree, Mapping) and "network" in tree:
            tree = {**tree, "network": _networks(tree["network"], config.get("modalities"))}
        for key, value in _leaves(tree):
            if section != "modalities" or not key.endswith(".kind"):
                settings[key if section == "model" else f"{section}.{key}"] = value
    return settings


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
    """`key=value` as `--set` takes it, without spaces and on one line."""
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


def changed_settings(config: Mapping[str, Any], *, presets: Traversable | None = None) -> list[str]:
    """The settings that are not those of the run's preset, as `--set` takes them.

    Those of another prior are compared with what the preset has for it. Likelihoods are compared with the preset's
    section of them, and with the defaults of their kind of modality.

    Args:
        presets: folder of the dataset's presets; None where the dataset is the project's own.

    Raises:
        UsageError: for a method, prior or preset that this version does not have, or a configuration that is none.
    """
    model, modalities = config.get("model"), config.get("modalities")
    if not isinstance(model, Mapping) or not isinstance(modalities, Mapping):
        raise UsageError("a configuration has the sections model and modalities")
    method = str(config.get("method"))
    if method not in METHODS:
        raise UsageError(unknown("method", method, METHODS))
    preset = load_preset(str(config.get("dataset")), str(config.get("preset")), presets)
    original = _baseline(preset, method, ())["model"]
    choices = tuple(
        (key, value["name"])
        for key, value in model.items()
        if isinstance(value, Mapping) and isinstance(value.get("name"), str)
        if isinstance(own := original.get(key), Mapping) and own.get("name", value["name"]) != value["name"]
    )
    base = _baseline(preset, method, choices)
    ours = named(config)
    likelihoods = {name: _likelihood(name, own, preset) for name, own in modalities.items()}
    theirs = named({**base, "modalities": likelihoods})
    theirs |= {key: original[key]["name"] for key, _ in choices}
    # A key that the run does not have came with a later version of the code, with a default that changes nothing.
    changed = {key: value for key, value in ours.items() if key not in theirs or theirs[key] != value}
    return told(changed, ours)


@lru_cache(maxsize=256)
def _baseline(preset: Preset, method: str, choices: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Model and trainer of a method in a preset, with the priors that are chosen."""
    base = Base.of(method, preset, ())
    model = base.build("model", base.model, {(key,): name for key, name in choices})
    return {"model": as_plain(model), "trainer": as_plain(base.build("trainer", {}, {}))}


def _likelihood(name: str, own: Any, preset: Preset) -> dict[str, Any]:
    """The likelihood that the preset gives to a modality, whose kind its own likelihood names."""
    kind = own.get("kind") if isinstance(own, Mapping) else None
    return {
        "kind": kind,
        **DEFAULTS.get(str(kind), {}),
        **preset.modalities.get("*", {}),
        **preset.modalities.get(name, {}),
    }
