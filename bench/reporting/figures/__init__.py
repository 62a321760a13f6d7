"""Figures over runs, a module per family. One that fails costs that figure, and a warning."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from bench.reporting.figures import chains, coherence, pareto, priors, training
from bench.reporting.figures.canvas import save, style
from bench.reporting.frames import records
from bench.reporting.grouping import MOST, by_section, key_of, own_runs, section_title
from bench.reporting.priors import priors_table
from bench.reporting.rows import OWN
from bench.runs.cycles import collected_apart
from bench.runs.forks import shared_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("bench")

Rows = Sequence[Mapping[Any, Any]]


def save_figures(
    folder: Path, table: pd.DataFrame, runs: pd.DataFrame, further: Sequence[Callable[[], object]] = ()
) -> list[Path]:
    """The figures of every (dataset, source, preset, data, evaluation) of the leaderboard; the paths written, each
    with a PDF beside it. What is `further` to be done is shared with them among as many processes as there are cores.

    Those that an earlier report made of the same datasets, sources and presets, and this one did not, are removed.
    """
    drawings = list(_drawings(folder, table, runs))
    with style(), collected_apart():
        work: list[Callable[[], object]] = [*further, *(partial(_saved, drawing) for drawing in drawings)]
        saved = shared_out(work)[len(further) :]
    written = sorted(drawing.path for drawing, there in zip(drawings, saved) if there)
    names = {drawing.name for drawing in drawings}
    _remove_stale(folder, by_section(records(table)), names, {path.stem for path in written})
    return written


class Drawing(NamedTuple):
    """A figure's name and file, and what draws it, or gives None where there is nothing to be drawn."""

    name: str
    path: Path
    draw: Callable[[], Figure | None]


def _drawings(folder: Path, table: pd.DataFrame, runs: pd.DataFrame) -> Iterator[Drawing]:
    sections = by_section(records(table))
    of_section = by_section(records(runs))
    of_priors = by_section(records(priors_table(runs)))
    for key, rows in sections.items():
        stem = _stem(key, list(sections))
        for name, draw in _figures(rows, of_section[key], of_priors[key], _title(rows)):
            yield Drawing(name, folder / f"{stem}-{name}.png", draw)


def _saved(drawing: Drawing) -> bool:
    """Whether there was something to be drawn, and it is in its file."""
    try:
        if (figure := drawing.draw()) is None:
            return False
        save(figure, drawing.path)
    except Exception as error:  # the tables are made, and the other figures can be
        log.warning("%s is left out: %s: %s", drawing.path, type(error).__name__, error)
        return False
    del figure
    gc.collect()  # figures are full of cycles
    return True


def _remove_stale(
    folder: Path, sections: Iterable[tuple[Any, ...]], names: Collection[str], kept: Collection[str]
) -> None:
    """Only files that are called as a report calls its figures of these sections."""
    stems = "|".join({re.escape("-".join(key[:3])) for key in sections})
    ours = re.compile(rf"({stems})(-[0-9a-f]{{8}})?(-evaluation-\d+)?-({'|'.join(map(re.escape, names))})\.(png|pdf)")
    for path in folder.iterdir() if folder.is_dir() else ():
        if ours.fullmatch(path.name) and path.stem not in kept and path.is_file() and not path.is_symlink():
            try:
                path.unlink()
            except OSError as error:
                log.warning("%s is of an earlier report, and cannot be removed: %s", path, error.strerror)


def _figures(rows: Rows, runs: Rows, of_priors: Rows, title: str) -> Iterator[tuple[str, Callable[[], Figure | None]]]:
    """Each figure's name, and what draws it, or gives None where there is nothing to be drawn.

    What takes longest comes first: started last, it would keep one process busy when the others have ended.
    """
    shown = set(list(dict.fromkeys(map(key_of, rows)))[:MOST])
    of_priors = [row for row in of_priors if key_of(row) in shown]
    every_own = [row for row in rows if row["prior"] == OWN]
    of_every_own = own_runs(every_own, runs)
    own, of_own = ([row for row in part if key_of(row) in shown] for part in (every_own, of_every_own))
    yield "cross-coherence", lambda: coherence.matrix_figure(of_own, title)
    yield "priors", lambda: priors.coverage_figure(of_priors, title)
    yield "training", lambda: training.training_figure(of_own, title)
    # A sweep's curve needs all its values, and that figure has a limit of its own.
    yield "pareto", lambda: pareto.pareto_figure(of_every_own, section_title(rows[0]))
    yield "coherence", lambda: coherence.coherence_figure(own, title)
    yield "chains", lambda: chains.chain_figure(of_own, title)
    yield "subsets", lambda: coherence.subset_figure(of_own, title)
    yield "gap-closed", lambda: priors.gap_figure(of_priors, title)


def _title(rows: Rows) -> str:
    several = len(set(map(key_of, rows)))
    part = f", the first {MOST} of {several} configurations" if several > MOST else ""
    return f"{section_title(rows[0])}{part}"


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
