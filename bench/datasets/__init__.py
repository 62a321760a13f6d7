"""Datasets by name. `DATASETS` is the registry: name on the command line -> where its `DatasetSource` is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, UsageError, unknown
from methods.registry import Collision, Registry

if TYPE_CHECKING:
    from bench.datasets.base import DatasetSource

# Strings, so that listing names does not import torch.
DATASETS: Registry[DatasetSource] = Registry(
    "dataset",
    "bench.datasets",
    {
        "polymnist": "bench.datasets.polymnist:POLYMNIST",
        "cub": "bench.datasets.cub:CUB",
        "arrays": "bench.datasets.arrays:ARRAYS",
    },
)


def default_root(named: str | os.PathLike[str] | None = None) -> Path:
    """The folder of data files: the one that is named, else $BENCH_DATA, else data/."""
    return Path(os.environ.get("BENCH_DATA", "data") if named is None else named)


def dataset_source(name: str) -> DatasetSource:
    """What is registered under the name.

    Raises:
        UsageError: for an unknown name, or one that two packages register.
        BenchError: the package that registers it cannot be imported.
    """
    try:
        if name not in DATASETS:
            raise UsageError(unknown("dataset", name, DATASETS))
        return DATASETS.load(name)
    except Collision as error:
        raise UsageError(str(error)) from error
    except (ImportError, AttributeError) as error:
        raise BenchError(
            f"dataset {name!r} cannot be loaded from {DATASETS[name]}: {error}. Repair or uninstall its package"
        ) from error
