"""What a run's configuration changes of its preset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any

from bench.config.grid import Base
from bench.config.likelihoods import KEYS
from bench.config.names import SECTIONS, named, told
from bench.config.presets import Preset, load_preset
from bench.config.schema import RunConfig, as_plain
from bench.errors import UsageError, unknown
from methods import METHODS
from methods.modality import ImageModality, TextModality
from methods.vector import VectorModality

DEFAULTS = {
    cls.kind: {field.name: field.default for field in fields(cls) if field.name in KEYS}
    for cls in (ImageModality, TextModality, VectorModality)
}


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
    return _changed(config, preset, method)


def changed_of_all(configs: Iterable[RunConfig], *, presets: Traversable | None = None) -> Iterator[list[str]]:
    """`changed_settings` of many configurations: presets, and parts that configurations share, are read once.

    Raises UsageError as it does.
    """
    loaded: dict[tuple[str, str], Preset] = {}
    parts: dict[tuple[str, int], tuple[Any, Any]] = {}  # with the object itself, which keeps its id its own

    def plain(section: str, part: Any) -> Any:
        key = (section, id(part))
        if key not in parts:
            parts[key] = part, as_plain(part)
        return parts[key][1]

    for config in configs:
        if (key := (config.dataset, config.preset)) not in loaded:
            loaded[key] = load_preset(*key, presets)
        sections = {section: plain(section, getattr(config, section)) for section in SECTIONS}
        yield _changed(sections, loaded[key], config.method)


def _changed(config: Mapping[str, Any], preset: Preset, method: str) -> list[str]:
    model, modalities = config["model"], config["modalities"]
    original = _baseline(preset, method, ())["model"]
    choices = tuple(
        (key, value["name"])
        for key, value in model.items()
        if isinstance(value, Mapping) and isinstance(value.get("name"), str)
        if isinstance(own := original.get(key), Mapping) and own.get("name", value["name"]) != value["name"]
    )
    base = _baseline(preset, method, choices)
    likelihoods = {name: _likelihood(name, own, preset) for name, own in modalities.items()}
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for section, own, other in (
        ("model", model, base["model"]),
        ("trainer", config.get("trainer"), base["trainer"]),
        ("modalities", modalities, likelihoods),
    ):
        if choices or own != other:  # what is equal as a whole need not be looked at key by key
            ours |= named({"modalities": modalities, section: own}, (section,))
            theirs |= named({"modalities": likelihoods, section: other}, (section,))
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
