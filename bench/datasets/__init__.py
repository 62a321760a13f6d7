"""Datasets by name.

A module here offers `SOURCES`, `choose_source(source, data_root)`, `load(source, data_root)`, `contact_sheet(dataset)`
and `fetch(data_root)`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bench.errors import UsageError, unknown

DATASETS = {"polymnist": "bench.datasets.polymnist.sources"}


def dataset_module(name: str) -> ModuleType:
    """Raises UsageError for an unknown name."""
    if name not in DATASETS:
        raise UsageError(unknown("dataset", name, DATASETS))
    return import_module(DATASETS[name])
