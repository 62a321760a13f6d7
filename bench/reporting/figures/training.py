"""Training: what history.csv has of every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.reporting.curves import Curves, curves_of, histories_of
from bench.reporting.figures.canvas import BESIDE, PAGE, palette, panels, spread
from bench.reporting.labels import by_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OBJECTIVE = "elbo"  # each method's own bound: there is no axis that two of them share
SHARED = ("kl", "energy_posterior", "energy_prior")
VALIDATION = {  # of held-out training tuples: {term: line style}
    "validation_joint_coherence": "-",
    "validation_joint_coherence_aggregate": ":",
    "validation_cross_coherence": "--",
}
COLUMNS = 4


def training_figure(runs: Sequence[Mapping[Any, Any]], title: str) -> Figure | None:
    """Per epoch, mean over seeds: each method's ELBO in a panel of its own; KL, energies and the coherences of held-out
    training tuples together."""
    histories = {label: histories_of(group) for label, group in by_label(runs).items()}
    elbo = curves_of(histories, OBJECTIVE)
    shared = {term: curves for term in SHARED if (curves := curves_of(histories, term))}
    validation = {term: curves for term in VALIDATION if (curves := curves_of(histories, term))}
    count = len(elbo) + len(shared) + bool(validation)
    if not count:
        return None
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure, grid = panels(rows, columns, (PAGE * columns / COLUMNS, 1.75 * rows))
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
            axis.legend(fontsize=5.5)
        elif not validation and term == list(shared)[-1]:  # beside another panel it would lie on the next one
            _legend(axis, colours)
    if validation:
        _draw_validation(next(axes), validation, colours, few)
    for axis in axes:
        axis.set_axis_off()
    spread(figure, f"Training: {title}. Every method has its own objective: ELBOs do not compare")
    return figure


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
    axis.plot(*curve, style, color=colour, label=label, marker="o" if len(curve[0]) == 1 else None, ms=3)


def _zoom(axis: Any, values: Sequence[float]) -> None:
    """The first epoch's value dwarfs everything after it."""
    lowest = sorted(values)[len(values) // 10]
    axis.set_ylim(lowest - 20, max(values) + 20)
