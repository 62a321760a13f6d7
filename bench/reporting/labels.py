"""What the rows of runs and their fitted priors are called in tables and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from bench.config.evaluation import preset_evaluation
from bench.config.presets import load_preset
from bench.config.schema import as_plain
from bench.config.values import build
from bench.errors import BenchError
from bench.runs.measured import PriorSet


def labels_of(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Method names; where one occurs with several configurations, with the prior that each was trained with, and with
    the configuration's hash where that does not tell them apart: "mmvae", "mmvae (flow)", "ebm-base (energy) 0123abcd".
    """
    hashes: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        for key in ((row["method"],), (row["method"], row["trained_prior"])):
            hashes.setdefault(key, set()).add(row["config_hash"])
    return [
        row["method"]
        + (f" ({row['trained_prior']})" if len(hashes[row["method"],]) > 1 else "")
        + (f" {row['config_hash']}" if len(hashes[row["method"], row["trained_prior"]]) > 1 else "")
        for row in rows
    ]


def by_label(rows: Sequence[Mapping[Any, Any]]) -> dict[str, list[Mapping[Any, Any]]]:
    """The rows of each label, in order."""
    groups: dict[str, list[Mapping[Any, Any]]] = {}
    for label, row in zip(labels_of(rows), rows, strict=True):
        groups.setdefault(label, []).append(row)
    return groups


def prior_label(prior: PriorSet, dataset: str, preset: str) -> str:
    """A fitted prior's name with the settings that are not its preset's: "diffusion", or "diffusion width=256".

    The stored label, with all settings that are not the prior's defaults, where the preset or the prior is not here.
    """
    return _changed(prior.prior, prior.settings, dataset, preset) or prior.label


@lru_cache(maxsize=1024)
def _changed(name: str, settings: str, dataset: str, preset: str) -> str | None:
    try:
        usual = preset_evaluation(load_preset(dataset, preset)).priors[name]
        ours = as_plain(build(type(usual), json.loads(settings), name, complete=True))
    except (BenchError, KeyError):
        return None
    return " ".join([name, *(f"{key}={value}" for key, value in ours.items() if value != as_plain(usual)[key])])
