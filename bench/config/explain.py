"""Where each setting of a configuration comes from, and what it means: the levels that `resolve` merges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from bench.config.likelihoods import KEYS
from bench.config.meanings import meanings
from bench.config.names import spelled
from bench.config.overrides import Path, parse_settings
from bench.config.presets import Preset
from bench.config.schema import Amounts, LikelihoodConfig, RunConfig, as_plain
from bench.config.values import field_defaults, field_types
from methods.priors.base import PriorConfig

COMMAND_LINE, DEFAULT, DATASET = "command line", "default", "dataset"


@dataclass(frozen=True)
class Setting:
    """One setting of a run.

    Args:
        name: as `--set` takes it.
        value: as `--set` takes it.
        origin: the command line, the place in the preset, the dataset, or the default of the code.
        meaning: in the words of the code; empty where it has none, as a package of somebody's may.
    """

    name: str
    value: str
    origin: str
    meaning: str


def explain(config: RunConfig, preset: Preset, given: Sequence[str]) -> dict[str, list[Setting]]:
    """The settings of a resolved configuration, in sections: the method's, the training's, …

    Args:
        preset: the one that it was resolved from.
        given: the `--set` that it was resolved with.
    """
    settings = parse_settings(given)
    return {
        "method": list(_model(config, preset, settings)),
        "training": list(_trainer(config, preset, settings)),
        "likelihoods": list(_likelihoods(config, preset, settings)),
        "evaluation": [*_amounts(config, preset, settings), *_parts("evaluators", config, preset, settings)],
        "fits of priors to the trained model": list(_parts("priors", config, preset, settings)),
    }


def _keys(config: Any) -> Iterator[str]:
    cls: Any = type(config)
    yield from field_types(cls)


def _setting(path: Sequence[str], value: Any, origin: str, cls: Any) -> Setting:
    name = ".".join(path)
    return Setting(name, spelled(name, as_plain(value)).partition("=")[2], origin, meanings(cls).get(path[-1], ""))


def _model(config: RunConfig, preset: Preset, settings: Mapping[Path, Any]) -> Iterator[Setting]:
    entry, place = preset.method(config.method), f"preset: methods.{preset.entry_of(config.method)}"
    kinds = {modality.kind for modality in config.modalities.values()}
    cls = type(config.model)
    for key in _keys(config.model):
        value, own = getattr(config.model, key), entry.get(key)
        if isinstance(value, PriorConfig):
            yield from _prior(key, value, (own, place), preset, settings, cls)
        elif is_dataclass(value):
            for inner in _keys(value):
                if inner not in kinds and key == "network":
                    continue
                preset_has = isinstance(own, str) or (isinstance(own, Mapping) and inner in own)
                path = (key, inner)
                origin = _first((path in settings or (key,) in settings, COMMAND_LINE), (preset_has, place))
                yield _setting(path, getattr(value, inner), origin, type(value))
        else:
            origin = _first(((key,) in settings, COMMAND_LINE), (key in entry, place))
            yield _setting((key,), value, origin, cls)


def _prior(
    key: str,
    prior: PriorConfig,
    entry: tuple[Any, str],
    preset: Preset,
    settings: Mapping[Path, Any],
    cls: Any,
) -> Iterator[Setting]:
    """Its name, and its own settings. Those of the preset's entry are of the prior that the entry names."""
    own, place = entry
    values = {"name": own} if isinstance(own, str) else own or {}
    chosen = settings.get((key,))
    replaced = chosen is not None and chosen != values.get("name", _default_name(cls, key))
    yield _setting((key,), prior.name, _first((chosen is not None, COMMAND_LINE), ("name" in values, place)), cls)
    trained = preset.trained_priors.get(prior.name, {})
    for inner in _keys(prior):
        if inner == "name":
            continue
        origin = _first(
            ((key, inner) in settings, COMMAND_LINE),
            (inner in values and not replaced, place),
            (inner in trained, f"preset: trained_priors.{prior.name}"),
        )
        yield _setting((key, inner), getattr(prior, inner), origin, type(prior))


def _default_name(cls: Any, key: str) -> str | None:
    default = field_defaults(cls).get(key)
    return None if default is None else default.name


def _first(*places: tuple[bool, str]) -> str:
    """The first place that has the setting."""
    return next((place for there, place in places if there), DEFAULT)


def _trainer(config: RunConfig, preset: Preset, settings: Mapping[Path, Any]) -> Iterator[Setting]:
    entry = preset.entry_of(config.method)
    own = preset.method(config.method).get("trainer") or {}
    for key in _keys(config.trainer):
        path = ("trainer", key)
        origin = _first(
            (path in settings, COMMAND_LINE),
            (key in own, f"preset: methods.{entry}.trainer"),
            (key in preset.trainer, "preset: trainer"),
        )
        yield _setting(path, getattr(config.trainer, key), origin, type(config.trainer))


def _likelihoods(config: RunConfig, preset: Preset, settings: Mapping[Path, Any]) -> Iterator[Setting]:
    """What is the same for all modalities, and from one place, is said once."""
    for key in KEYS:
        found = []
        for name, likelihood in config.modalities.items():
            origin = _first(
                *((("modalities", each, key) in settings, COMMAND_LINE) for each in (name, "*")),
                *((key in preset.modalities.get(each, {}), f"preset: modalities.{each}") for each in (name, "*")),
                (True, DATASET),
            )
            found.append(_setting(("modalities", name, key), getattr(likelihood, key), origin, LikelihoodConfig))
        if len({(one.value, one.origin) for one in found}) == 1:
            yield Setting(f"modalities.*.{key}", found[0].value, found[0].origin, found[0].meaning)
        else:
            yield from found


def _amounts(config: RunConfig, preset: Preset, settings: Mapping[Path, Any]) -> Iterator[Setting]:
    for key in field_types(Amounts):
        path = ("evaluation", key)
        origin = _first((path in settings, COMMAND_LINE), (key in preset.evaluation, "preset: evaluation"))
        yield _setting(path, getattr(config.evaluation, key), origin, Amounts)


def _parts(section: str, config: RunConfig, preset: Preset, settings: Mapping[Path, Any]) -> Iterator[Setting]:
    """Of every evaluator, or of the fit of every prior."""
    parts: Mapping[str, Any] = getattr(config.evaluation, section)
    for name, part in parts.items():
        own = getattr(preset, section).get(name, {})
        for key in _keys(part):
            path = (section, name, key)
            origin = _first((path in settings, COMMAND_LINE), (key in own, f"preset: {section}.{name}"))
            yield _setting(path, getattr(part, key), origin, type(part))
