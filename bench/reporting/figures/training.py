"""Training: what history.csv has of every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.reporting.curves import Curves, curves_of, histories_of
from bench.reporting.figures.canvas import (
    CLOSE,
    GAPS,
    PAGE,
    folded,
    legend_under,
    literal,
    outer,
    palette,
    panels,
    spread,
)
from bench.reporting.labels import by_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OBJECTIVE = "elbo"  # each method's own bound: there is no axis that two of them share
SHARED = {"kl": "KL", "energy_posterior": "energy of the posterior", "energy_prior": "energy of the chains"}
VALIDATION = {  # of held-out training tuples: {term: line style}
    "validation_joint_coherence": "-",
    "validation_joint_coherence_aggregate": ":",
    "validation_cross_coherence": "--",
}
COLUMNS = 4


def training_figure(runs: Sequence[Mapping[Any, Any]], title: str) -> Figure | None:
    """Per epoch, mean over seeds: each method's ELBO in a panel of its own; KL, energies and the coherences of held-out
    training tuples together, with one legend below all panels."""
    histories = {label: histories_of(group) for label, group in by_label(runs).items()}
    elbo = curves_of(histories, OBJECTIVE)
    shared = {term: curves for term in SHARED if (curves := curves_of(histories, term))}
    validation = {term: curves for term in VALIDATION if (curves := curves_of(histories, term))}
    count = len(elbo) + len(shared) + bool(validation)
    if not count:
        return None
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure, grid = panels(rows, columns, (PAGE * columns / COLUMNS, 1.6 * rows))
    axes, colours = iter(grid.flat), palette(list(histories))
    for (label, curve), axis in zip(elbo.items(), axes):
        _draw(axis, curve, colours[label])
        axis.set(title=literal(folded(f"{label}: ELBO")), ylabel="nats")
        _zoom(axis, curve[1])
    for (term, curves), axis in zip(shared.items(), axes):
        for label, curve in curves.items():
            _draw(axis, curve, colours[label])
        axis.set(title=SHARED[term], ylabel="nats")
    lines = [figure.axes[0].plot([], [], color=colour, label=literal(label))[0] for label, colour in colours.items()]
    if validation:
        lines += _draw_validation(next(axes), validation, colours)
    epochs = [x for curves in (elbo, *shared.values(), *validation.values()) for xs, _ in curves.values() for x in xs]
    first, last = min(epochs), max(epochs)
    margin = 0.05 * (last - first) or 0.5
    for axis, _, lowest in outer(grid, count):
        axis.set(xlim=(first - margin, last + margin), xlabel="epoch" if lowest else "")
        axis.tick_params(labelbottom=lowest)
    title = f"Training: {title}. Every method has its own objective: ELBOs do not compare"
    spread(figure, title, (GAPS[0], CLOSE[1]))
    if shared or validation:
        legend_under(figure, lines, columns)
    return figure


def _draw_validation(axis: Any, terms: Mapping[str, Curves], colours: Mapping[str, Any]) -> list[Any]:
    """A colour for each method, as in the other panels, and a line style for each coherence, of which it gives
    examples. Of more than a few methods without the aggregate posterior's, which lie among those of cross coherence."""
    few, examples = len(colours) <= COLUMNS, []
    for term, curves in terms.items():
        if few or not term.endswith("_aggregate"):
            for label, curve in curves.items():
                _draw(axis, curve, colours[label], VALIDATION[term])
            name = term.removeprefix("validation_").replace("_coherence", "").replace("_", ", ")
            examples += axis.plot([], [], VALIDATION[term], color="black", label=f"validation: {name}")
    axis.set(title="validation coherence", ylabel="share", ylim=(0, 1))
    return examples


def _draw(axis: Any, curve: tuple[list[float], list[float]], colour: Any, style: str = "-") -> None:
    # One epoch is no line.
    axis.plot(*curve, style, color=colour, marker="o" if len(curve[0]) == 1 else None, ms=3)


def _zoom(axis: Any, values: Sequence[float]) -> None:
    """The first epoch's value dwarfs everything after it."""
    lowest = sorted(values)[len(values) // 10]
    axis.set_ylim(lowest - 20, max(values) + 20)
