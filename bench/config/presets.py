"""Preset files: `<preset>.yaml` in the folder of a dataset's presets, read and checked.

A preset has sections:

- `sources`: of the dataset, those that the preset is made for; all, where it names none.
- `trainer`, `evaluation`: settings for all methods.
- `evaluators`, `priors`: settings of each evaluator, and of the fit of each prior to trained models.
- `trained_priors`: settings of each prior that is trained with a model, wherever that prior is chosen.
- `modalities`: likelihood, scale and weight of each modality, or of all of them under `"*"`.
- `methods`: for each method, keys of its `Config`, and a `trainer` section for what differs from the preset's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from bench.config.folders import preset_names, presets_folder
from bench.config.schema import NAME, as_plain
from bench.config.values import field_defaults, field_types, read_yaml, shown
from bench.errors import UsageError, unknown
from evaluators import EVALUATORS
from methods import METHODS, PRIORS, method_class

RANDOM = "random"  # the source of items that nothing is learned from, as where speed is measured: any preset takes it


@dataclass(frozen=True, eq=False)
class Preset:
    """The sections of one file, as plain values; `where` is the file, for messages."""

    name: str
    where: str
    sources: tuple[str, ...] = ()
    trainer: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    evaluators: Mapping[str, Any] = field(default_factory=dict)
    priors: Mapping[str, Any] = field(default_factory=dict)
    trained_priors: Mapping[str, Any] = field(default_factory=dict)
    modalities: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Any] = field(default_factory=dict)

    def check_source(self, source: str) -> None:
        """Raises UsageError where the preset is made for other sources of the dataset."""
        if self.sources and source not in (*self.sources, RANDOM):
            raise UsageError(
                f"the preset {self.name!r} is made for the source {' or '.join(map(repr, self.sources))}, and this is "
                f"{source!r}: name one as the source, with its files under the data root, or take another preset"
            )

    def method(self, name: str) -> dict[str, Any]:
        """The method's entry, or that of the method that its class is `like`, as far as its Config has the keys.

        Raises UsageError where there is neither.
        """
        found = self.entry_of(name)
        entry = dict(self.methods[found])
        if found == name:
            return entry
        known = ("trainer", *field_types(method_class(name).Config))
        return {key: value for key, value in entry.items() if key in known}

    def entry_of(self, name: str) -> str:
        """Which method's entry is the method's: its own, or that of one that it is `like`. Raises UsageError."""
        found, seen = name, [name]
        while found not in self.methods:
            like = method_class(found).like
            if like is None or like in seen or like not in METHODS:
                raise UsageError(self._missing_entry(name))
            found = like
            seen.append(found)
        return found

    def _missing_entry(self, name: str) -> str:
        like, defaults = method_class(name).like, as_plain(field_defaults(method_class(name).Config))
        lines = yaml.safe_dump({name: defaults}, default_flow_style=True, sort_keys=False, width=10**6).strip()[1:-1]
        cause = f"its class is like {like!r}, which has none either" if like else "its class is `like` no other"
        return (
            f"{self.where}: the method {name!r} has no entry, and {cause}. Add to the file, under `methods:`, with the "
            f"numbers that you mean:\n  {lines}\nor name in its class a method whose entries suit it, such as "
            'like = "mmvae"'
        )


def load_preset(dataset: str, preset: str, folder: Traversable | None = None, source: str | None = None) -> Preset:
    """The preset of that name for a dataset.

    Args:
        folder: of the dataset's presets; None where the dataset is the project's own.
        source: of the data that are to be used; None where none are.

    Raises:
        UsageError: there is none, its file cannot be read, it has an unknown section, method, evaluator or prior, or it
            is made for other sources.
    """
    if not NAME.fullmatch(dataset):
        raise UsageError(f"{shown(dataset)} is no name of a dataset")
    folder = folder or presets_folder(dataset)
    file = folder / f"{preset}.yaml"
    if not NAME.fullmatch(preset) or not file.is_file():
        if names := preset_names(folder):
            raise UsageError(unknown("preset", preset, names))
        raise UsageError(f"the dataset {dataset!r} has no presets: there is no PRESET.yaml in {folder}")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read ({error})") from None
    loaded = _parse(text, preset, str(file))
    if source is not None:
        loaded.check_source(source)
    return loaded


@lru_cache(maxsize=32)
def _parse(text: str, name: str, where: str) -> Preset:
    tree = _mapping(read_yaml(text, where), where)
    sections = [f.name for f in fields(Preset) if f.name not in ("name", "where")]
    for key in tree:
        if key not in sections:
            raise UsageError(f"{where}: {unknown('section', key, sections)}")
    sources = _names(tree.pop("sources", None), f"{where}: sources")
    tree = {key: _mapping(value, f"{where}: {key}") for key, value in tree.items()}
    registries: dict[str, Mapping[str, str]] = {
        "methods": METHODS,
        "evaluators": EVALUATORS,
        "priors": PRIORS,
        "trained_priors": PRIORS,
    }
    for section, registry in registries.items():
        for key, value in tree.get(section, {}).items():
            if key not in registry:
                raise UsageError(f"{where}: {unknown(section.removesuffix('s').replace('_', ' '), key, registry)}")
            tree[section][key] = _mapping(value, f"{where}: {section}: {key}")
    return Preset(name, where, sources, **tree)


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | None) or not all(isinstance(name, str) for name in value or ()):
        raise UsageError(f"{where}: expected a list of names, got {shown(value)}")
    return tuple(value or ())


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """A copy; nothing at all is an empty mapping."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: expected keys and values, got {shown(value)}")
    return dict(value)
