"""How the configuration of a run differs from its preset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any

from bench.config.changes import changed_settings as changed
from bench.config.schema import as_plain
from bench.datasets import DATASETS, dataset_source
from bench.errors import UsageError

OTHER_VERSION = "(of another version)"


def changed_settings(config: Mapping[str, Any]) -> list[str]:
    """The settings that are not those of the run's preset, as `--set` takes them.

    Raises UsageError for a method, dataset or preset that this version does not have.
    """
    found = _changed(json.dumps(as_plain(config), sort_keys=True))
    if isinstance(found, str):
        raise UsageError(found)
    return list(found)


@lru_cache(maxsize=8192)
def _changed(config: str) -> tuple[str, ...] | str:
    tree = json.loads(config)
    try:
        return tuple(changed(tree, presets=_presets(tree["dataset"])))
    except Exception as error:  # a plug-in's classes may raise anything
        return str(error)


def _presets(dataset: str) -> Traversable | None:
    """Of a dataset that a plug-in brought; None for the project's own."""
    if dataset in DATASETS.own or dataset not in DATASETS:
        return None
    return dataset_source(dataset).presets


def settings_of(config: Mapping[str, Any]) -> str:
    """All settings that are not those of the run's preset: "prior.steps=20 trainer.lr=0.0005"."""
    try:
        return " ".join(changed_settings(config))
    except UsageError:
        return OTHER_VERSION


def shared_likelihoods(settings: Sequence[str]) -> list[str]:
    """The settings of modalities that all rows have, such as what the description of one's own data says."""
    rows = [[word for word in row.split() if word.startswith("modalities.")] for row in settings]
    return [word for word in rows[0] if all(word in row for row in rows)] if rows else []


def without(settings: str, shared: Sequence[str]) -> str:
    """A row's settings but for those that are told once for all rows."""
    return " ".join(word for word in settings.split() if word not in shared)
