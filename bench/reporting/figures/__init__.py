"""Figures over runs, a module per family. One that fails costs that figure, and a warning."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.reporting.figures import chains, coherence, priors, training
from bench.reporting.figures.canvas import save, style
from bench.reporting.rows import OWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("bench")

SECTION = ("dataset", "source", "preset", "data_fingerprint", "evaluation")
MOST = 20  # configurations in a figure: of more, none could be told from another

Rows = Sequence[Mapping[Any, Any]]


def save_figures(folder: Path, table: pd.DataFrame, runs: pd.DataFrame) -> list[Path]:
    """The figures of every (dataset, source, preset, data, evaluation) of the leaderboard; the paths written."""
    written = []
    sections = _grouped(table.to_dict("records"))
    of_section = _grouped(runs.to_dict("records"))
    with style():
        for key, rows in sections.items():
            for name, draw in _figures(rows, of_section[key], _title(key, rows)):
                path = folder / f"{_stem(key, list(sections))}-{name}.png"
                try:
                    figure = draw()
                    if figure is not None:
                        save(figure, path)
                        written.append(path)
                except Exception as error:  # the tables are made, and the other figures can be
                    log.warning("%s is left out: %s: %s", path, type(error).__name__, error)
    return written


def _figures(rows: Rows, runs: Rows, title: str) -> Iterator[tuple[str, Callable[[], Figure | None]]]:
    """Each figure's name, and what draws it, or gives None where there is nothing to be drawn."""
    shown = {(row["method"], row["config_hash"]) for row in _first(rows)}
    rows = [row for row in rows if (row["method"], row["config_hash"]) in shown]
    own = [row for row in rows if row["prior"] == OWN]
    # In the order of the table.
    order = {(row["method"], row["config_hash"]): place for place, row in enumerate(own)}
    own_runs = [run for run in runs if run["prior"] == OWN and (run["method"], run["config_hash"]) in order]
    own_runs.sort(key=lambda run: (order[run["method"], run["config_hash"]], run["seed"]))
    yield "coherence", lambda: coherence.coherence_figure(own, title)
    yield "cross-coherence", lambda: coherence.matrix_figure(own_runs, title)
    yield "training", lambda: training.training_figure(own_runs, title)
    yield "subsets", lambda: coherence.subset_figure(own_runs, title)
    yield "chains", lambda: chains.chain_figure(own_runs, title)
    yield "priors", lambda: priors.prior_figure(rows, title)


def _first(rows: Rows) -> Rows:
    """A row of each configuration, as many as a figure holds."""
    return list({(row["method"], row["config_hash"]): row for row in rows}.values())[:MOST]


def _title(key: tuple[Any, ...], rows: Rows) -> str:
    dataset, source, preset, *_ = key
    several = len({(row["method"], row["config_hash"]) for row in rows})
    part = f", the first {MOST} of {several} configurations" if several > MOST else ""
    return f"{dataset}, {source} data, preset {preset}{part}"


def _stem(key: tuple[Any, ...], keys: Sequence[tuple[Any, ...]]) -> str:
    """Of file names: with data and evaluation only where they tell sections apart."""
    dataset, source, preset, fingerprint, evaluation = key
    same = [other for other in keys if other[:3] == key[:3]]
    parts = [dataset, source, preset]
    if len({other[3] for other in same}) > 1:
        parts.append(fingerprint[:8])
    evaluations = sorted({other[4] for other in same if other[3] == fingerprint})
    if len(evaluations) > 1:
        parts.append(f"evaluation-{evaluations.index(evaluation) + 1}")
    return "-".join(parts)


def _grouped(rows: Rows) -> dict[tuple[Any, ...], list[Mapping[Any, Any]]]:
    groups: dict[tuple[Any, ...], list[Mapping[Any, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in SECTION), []).append(row)
    return groups
