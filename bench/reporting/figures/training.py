"""Training: what history.csv has of every run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.reporting.figures.canvas import BESIDE, by_label, mean_curve, palette, panels, spread
from bench.runs.history import History, read_history
from bench.runs.reading import Unreadable
from bench.runs.records import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("bench")

OBJECTIVE = "elbo"  # each method's own bound: there is no axis that two of them share
SHARED = ("kl", "energy_posterior", "energy_prior")
VALIDATION = {  # of held-out training tuples: {term: line style}
    "validation_joint_coherence": "-",
    "validation_joint_coherence_aggregate": ":",
    "validation_cross_coherence": "--",
}
COLUMNS = 4

Curves = Mapping[str, tuple[list[float], list[float]]]


def training_figure(runs: Sequence[Mapping[Any, Any]], title: str) -> Figure | None:
    """Per epoch, mean over seeds: each method's ELBO in a panel of its own; KL, energies and the coherences of held-out
    training tuples together."""
    histories = {label: _histories(group) for label, group in by_label(runs).items()}
    elbo = _curves(histories, OBJECTIVE)
    shared = {term: curves for term in SHARED if (curves := _curves(histories, term))}
    validation = {term: curves for term in VALIDATION if (curves := _curves(histories, term))}
    count = len(elbo) + len(shared) + bool(validation)
    if not count:
        return None
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure, grid = panels(rows, columns, (4.2 * columns, 3.4 * rows))
    axes, colours = iter(grid.flat), palette(list(histories))
    few = len(histories) <= COLUMNS
    for (label, curve), axis in zip(elbo.items(), axes):
        _draw(axis, curve, colours[label], label)
        axis.set(title=f"{label}: ELBO", xlabel="epoch", ylabel="nats")
        _zoom(axis, curve[1])
    for (term, curves), axis in zip(shared.items(), axes):
        for label, curve in curves.items():
            _draw(axis, curve, colours[label], label)
        axis.set(title=term.replace("_", " "), xlabel="epoch", ylabel="nats")
        if few:
            axis.legend(fontsize="x-small")
        elif not validation and term == list(shared)[-1]:  # beside another panel it would lie on the next one
            _legend(axis, colours)
    if validation:
        _draw_validation(next(axes), validation, colours, few)
    for axis in axes:
        axis.set_axis_off()
    spread(figure, f"Training: {title}. Every method has its own objective: ELBOs do not compare")
    return figure


def _histories(runs: Sequence[Mapping[Any, Any]]) -> list[History]:
    found = []
    for run in runs:
        if run["history"] is None:
            continue
        try:
            found.append(read_history(run["history"]))
        except Unreadable as error:
            log.warning("%s %s: its curve is left out", shown(run["history"]), error)
    return found


def _curves(histories: Mapping[str, Sequence[History]], term: str) -> Curves:
    curves = {
        label: mean_curve([(history.epochs, history.terms[term]) for history in group if term in history.terms])
        for label, group in histories.items()
    }
    return {label: curve for label, curve in curves.items() if curve[0]}


def _draw_validation(axis: Any, terms: Mapping[str, Curves], colours: Mapping[str, Any], few: bool) -> None:
    """A colour for each method, as in the other panels, and a line style for each coherence; unless there are few
    methods without the aggregate posterior's, whose curves lie among those of cross coherence."""
    terms = {term: curves for term, curves in terms.items() if few or not term.endswith("_aggregate")}
    for term, curves in terms.items():
        for label, curve in curves.items():
            _draw(axis, curve, colours[label], None, VALIDATION[term])
        name = term.removeprefix("validation_").replace("_coherence", "").replace("_", ", ")
        axis.plot([], [], VALIDATION[term], color="black", label=name)
    axis.set(title="validation coherence", xlabel="epoch", ylabel="share", ylim=(0, 1))
    _legend(axis, colours)


def _legend(axis: Any, colours: Mapping[str, Any]) -> None:
    """Beside the panel, of every method, whether it has a curve there or not."""
    named = axis.get_legend_handles_labels()[1]
    for label in colours:
        if label not in named:
            axis.plot([], [], color=colours[label], label=label)
    axis.legend(**BESIDE)


def _draw(axis: Any, curve: tuple[list[float], list[float]], colour: Any, label: str | None, style: str = "-") -> None:
    # One epoch is no line.
    axis.plot(*curve, style, color=colour, label=label, marker="o" if len(curve[0]) == 1 else None)


def _zoom(axis: Any, values: Sequence[float]) -> None:
    """The first epoch's value dwarfs everything after it."""
    lowest = sorted(values)[len(values) // 10]
    axis.set_ylim(lowest - 20, max(values) + 20)
