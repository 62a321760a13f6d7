"""The configurations that settings and sweeps make of one method in one preset."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.config.likelihoods import KEYS, likelihoods
from bench.config.overrides import Path
from bench.config.presets import Preset
from bench.config.schema import TrainerConfig
from bench.config.trees import Tree, filled, has, leaves, put
from bench.config.values import build, field_types, shown, takes_word
from bench.errors import UsageError, unknown
from methods import PRIORS, method_class, prior_config_class
from methods.modality import Modality

COMBINATIONS = 100_000  # of one sweep


@dataclass(frozen=True)
class Base:
    """A method in a preset, before any setting."""

    name: str
    preset: Preset
    model: Tree
    trainer: Tree
    modalities: tuple[Modality, ...]

    @staticmethod
    def of(name: str, preset: Preset, modalities: Sequence[Modality]) -> Base:
        entry = preset.method(name)
        own = entry.pop("trainer", None) or {}
        if not isinstance(own, Mapping):
            raise UsageError(f"{preset.where}: methods: {name}: trainer: expected keys and values, got {shown(own)}")
        model = filled(method_class(name).Config, entry, preset.trained_priors, f"{name} ({preset.name})")
        return Base(name, preset, model, {**preset.trainer, **own}, tuple(modalities))

    @property
    def where(self) -> str:
        return f"{self.name} ({self.preset.name})"

    @property
    def config(self) -> Any:
        return method_class(self.name).Config

    def put(self, tree: Tree, path: Path, value: Any) -> Tree:
        return put(self.config, tree, path, value, self.preset.trained_priors, self.where)

    def has(self, tree: Tree, path: Path) -> bool:
        """Whether the path is a key of this run, given the model's tree."""
        if path[0] == "trainer":
            return has(TrainerConfig, {}, path[1:])
        if path[0] == "modalities":
            names = ("*", *(modality.name for modality in self.modalities))
            return len(path) == 3 and path[1] in names and path[2] in KEYS
        return has(self.config, tree, path)

    def build(self, part: str, tree: Tree, settings: Mapping[Path, Any]) -> Any:
        """One part of the configuration, with the settings that are its own."""
        if part == "trainer":
            trainer = {**self.trainer, **{path[1]: value for path, value in settings.items()}}
            return build(TrainerConfig, trainer, f"{self.where}: trainer")
        if part == "modalities":
            return likelihoods(self.modalities, self.preset.modalities, settings, self.where)
        for path, value in settings.items():
            tree = self.put(tree, path, value)
        return build(self.config, tree, self.where)


@dataclass(frozen=True)
class Grid:
    """The configurations of one method with one choice of what the words stand for (its prior, its networks)."""

    base: Base
    tree: Tree  # of the model, with the words
    words: tuple[Path, ...]
    axes: Mapping[Path, list[Any]]  # the further settings that the method has under this choice

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def points(self) -> Iterator[dict[str, Any]]:
        """Model, trainer and modalities of each point of the grid; parts that points share are made once."""
        paths = list(self.axes)
        own: dict[str, list[int]] = {"model": [], "trainer": [], "modalities": []}
        for i, path in enumerate(paths):
            own.get(path[0], own["model"]).append(i)

        @cache
        def part(name: str, chosen: tuple[int, ...]) -> Any:
            settings = {paths[i]: self.axes[paths[i]][j] for i, j in zip(own[name], chosen, strict=True)}
            return self.base.build(name, self.tree, settings)

        for point in itertools.product(*(range(len(values)) for values in self.axes.values())):
            yield {name: part(name, tuple(point[i] for i in places)) for name, places in own.items()}


def check_count(combinations: int) -> None:
    if combinations > COMBINATIONS:
        raise UsageError(f"{combinations:,} combinations are more than {COMBINATIONS:,}; sweep fewer values")


def grids_of(base: Base, axes: Mapping[Path, list[Any]]) -> list[Grid]:
    """One grid for each combination of the words among the settings: which keys there are depends on them."""
    hints = field_types(base.config)
    words = [path for path in axes if len(path) == 1 and takes_word(hints.get(path[0]))]
    check_count(math.prod(len(axes[path]) for path in words))
    grids = []
    for point in itertools.product(*(axes[path] for path in words)):
        tree = base.model
        for path, value in zip(words, point, strict=True):
            tree = base.put(tree, path, value)
        rest = {path: values for path, values in axes.items() if path not in words and base.has(tree, path)}
        grids.append(Grid(base, tree, tuple(words), rest))
    return grids


def complaint(grids: Sequence[Grid], path: Path) -> str:
    """Why no method has the path, and what it may have been meant to be."""
    name = ".".join(path)
    if path[0] == "modalities":
        known = dict.fromkeys(modality.name for grid in grids for modality in grid.base.modalities)
        return unknown("key", name, [f"modalities.{m}.{key}" for m in ("*", *known) for key in KEYS])
    if path[0] == "prior" and len(path) == 2:
        configs = {prior: prior_config_class(prior) for prior in PRIORS}
        if owners := [prior for prior, cls in configs.items() if cls and has(cls, {}, path[1:])]:
            return f"unknown key {name!r} without prior={owners[0]}; it is a setting of: {', '.join(owners)}"
    allowed = {leaf for grid in grids for leaf in leaves(grid.base.config, grid.tree)}
    return unknown("key", name, [*sorted(allowed), *(f"trainer.{key}" for key in field_types(TrainerConfig))])
