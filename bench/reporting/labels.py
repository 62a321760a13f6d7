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
from bench.reporting.changes import OTHER_VERSION, settings_of
from bench.runs.measured import PriorSet
from bench.runs.reading import shortened

LONGEST = 40  # characters of settings in a label


def labels_of(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Method names; where one occurs with several configurations, with the prior that each was trained with, and with
    what tells those apart that share it: "mmvae", "mmvae (flow)", "ebm-base (energy) prior.steps=20"."""
    configurations: dict[str, set[str]] = {}
    for row in rows:
        configurations.setdefault(row["method"], set()).add(row["config_hash"])
    apart = told_apart(rows)
    return [
        row["method"]
        + (f" ({row['trained_prior']})" if len(configurations[row["method"]]) > 1 else "")
        + apart[row["method"], row["config_hash"]]
        for row in rows
    ]


def told_apart(rows: Sequence[Mapping[Any, Any]]) -> dict[tuple[str, str], str]:
    """{(method, config hash): what follows method and trained prior, to tell it from others that share both}.

    It is what was set beside the preset, or the hash where that is long, not known, or the same for two. Rows are the
    leaderboard's, those of runs, or those of priors, of one section.
    """
    families: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        family = families.setdefault((row["method"], row["trained_prior"]), {})
        if row["config_hash"] not in family:
            family[row["config_hash"]] = row["settings"] if "settings" in row else settings_of(row["config"])
    apart = {}
    for (method, _), family in families.items():
        for name, settings in family.items():
            text = shortened(settings)  # a run's file may hold anything
            if len(text) > LONGEST or text == OTHER_VERSION or list(family.values()).count(settings) > 1:
                text = name
            apart[method, name] = f" {text}" if text and len(family) > 1 else ""
    return apart


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
