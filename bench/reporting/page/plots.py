"""The page's charts, each of one section: coherence, diversity, seeds, energies, cost and training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.reporting.curves import curves_of, histories_of
from bench.reporting.page.charts import UNIT, Chart, Point, layout, line, link, points
from bench.reporting.page.sections import Row, Section
from bench.reporting.prior_lines import by_prior, estimate
from bench.reporting.priors import AGGREGATE, REFERENCE, TRAINED
from bench.reporting.statistics import interval, known
from bench.runs.history import History

COVERAGE, VARIANCE = "coverage_to_aggregate", "within_class_variance_coherent"
DIVERSITY = {
    VARIANCE: "within-class variance (real data: 1)",
    COVERAGE: "coverage of aggregate samples",
}
COSTS = {"train_seconds": "seconds of training", "samples_per_second": "samples/s"}
METRICS = ("joint_coherence", "cross_coherence")
TERMS = {  # of history.csv, in words; a method's ELBO is its own bound
    "elbo": "ELBO, nats (each method has its own)",
    "kl": "KL, nats",
    "energy_gap": "energy gap (healthy within ±2)",
    "energy_posterior": "energy of the posterior",
    "energy_prior": "energy of the prior's chains",
    "validation_joint_coherence": "joint coherence of held-out training tuples",
    "validation_cross_coherence": "cross coherence of held-out training tuples",
}


def coherence_chart(section: Section) -> Chart:
    """Joint against cross coherence, a point a configuration."""
    traces, lines = [], []
    for row in section.shown:
        if known(row["joint_coherence"]) is None or known(row["cross_coherence"]) is None:
            continue
        label, one = section.label(row), " (one model)" if row["seeds"] == 1 else ""
        texts = [interval(row, metric) for metric in METRICS]
        text = f"{label}{one}: joint {texts[0]}, cross {texts[1]}"
        point = Point(
            row["cross_coherence"],
            row["joint_coherence"],
            text,
            _ends(row, "cross_coherence"),
            _ends(row, "joint_coherence"),
        )
        traces.append(points(label, section.paints[label], [point]))
        lines.append([label + one, *texts])
    return Chart(
        f"{section.name}-coherence",
        "Joint against cross coherence",
        "Up and to the right is better. Bars are 95 % intervals.",
        layout("cross coherence", "joint coherence", UNIT, UNIT),
        {"": traces},
        table=(["method", "joint coherence", "cross coherence"], lines),
    )


def _ends(row: Row, metric: str) -> tuple[float, float] | None:
    value, low, high = (known(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
    return None if value is None or low is None or high is None else (max(0, value - low), max(0, high - value))


def diversity_chart(section: Section) -> Chart:
    """Joint coherence against diversity, a point for each configuration and prior of z; two measures of diversity."""
    views: dict[str, list[dict[str, Any]]] = {called: [] for called in DIVERSITY.values()}
    for label, rows in _by_label(section).items():
        paint = section.paints[label]
        for column, called in DIVERSITY.items():
            found = [point for group in by_prior(rows) for point in _diverse(group, column, label)]
            own, others = ([point for point in found if point.hollow is hollow] for hollow in (False, True))
            parts = [part for part in (own, others) if part]
            views[called] += [points(label, paint, part, legend=part is parts[0]) for part in parts]
            views[called] += [link(label, paint, own[0], other) for other in others if own and other.goal]
    return Chart(
        f"{section.name}-diversity",
        "Coherence against diversity",
        "A prior that copies a few prototypes has coherence and no diversity. Variance is that of coherent "
        "samples. Filled: the model's own prior; hollow: fitted priors, and z encoded from held-out tuples, to which a "
        "dotted line leads. That is the diversity that a prior should have; what varies more are samples off the data.",
        layout("", "joint coherence", {"rangemode": "tozero", "zeroline": False}, UNIT),
        {called: traces for called, traces in views.items() if traces},
        "x",
        (["method", "prior of z", "joint coherence", *DIVERSITY.values()], _diversity_lines(section)),
    )


def _diversity_lines(section: Section) -> list[list[str]]:
    lines = []
    for label, rows in _by_label(section).items():
        for group in by_prior(rows):
            found = [estimate(group, column) for column in ("joint_coherence", *DIVERSITY)]
            if any(found[1:]):
                lines.append([label, _prior_name(group[0]), *(f"{one.mean:.3f}" if one else "" for one in found)])
    return lines


def _prior_name(row: Row) -> str:
    name: str = row["prior"]
    return name if row["role"] == REFERENCE else f"{name}, {row['role']}"


def _by_label(section: Section) -> dict[str, list[Row]]:
    """The rows of priors of each configuration."""
    found: dict[str, list[Row]] = {label: [] for label in section.labels.values()}
    for row in section.priors:
        found[section.label(row)].append(row)
    return found


def _diverse(group: Sequence[Row], column: str, label: str) -> Iterator[Point]:
    """A point where both coherence and diversity are known."""
    seeds = [row for row in group if known(row[column]) is not None and known(row["joint_coherence"]) is not None]
    x, y = estimate(seeds, column), estimate(seeds, "joint_coherence")
    if x is None or y is None:
        return
    first, name = group[0], DIVERSITY[column].partition(" (")[0]
    text = f"{label}, {_prior_name(first)}: joint coherence {y.mean:.3f}, {name} {x.mean:.3f}; seeds: {y.n}"
    goal = first["role"] == REFERENCE and first["prior"] == AGGREGATE
    yield Point(x.mean, y.mean, text, hollow=first["role"] != TRAINED, goal=goal)


def seeds_chart(section: Section) -> Chart:
    """Every run by itself."""
    views = {}
    for metric in METRICS:
        traces = []
        for row in section.shown:
            label = section.label(row)
            runs = [run for run in section.runs_of(row) if known(run[metric]) is not None]
            found = [Point(label, run[metric], f"{label}, seed {run['seed']}: {run[metric]:.4f}") for run in runs]
            if found:
                traces.append(points(label, section.paints[label], found, legend=False))
        if traces:
            views[metric.replace("_", " ")] = traces
    categories = {"type": "category", "automargin": True, "dtick": 1, "tickfont": {"size": 11}}
    summary = "Each mark is one trained model. What lies closer together than the seeds of one method is no difference."
    table = (["method", "seed", *(metric.replace("_", " ") for metric in METRICS)], _seed_lines(section))
    axes = layout("", "", categories, UNIT)
    return Chart(f"{section.name}-seeds", "Seeds one by one", summary, axes, views, table=table)


def _seed_lines(section: Section) -> list[list[str]]:
    lines = []
    for row in section.shown:
        for run in section.runs_of(row):
            values = [known(run[metric]) for metric in METRICS]
            cells = ["absent" if value is None else f"{value:.4f}" for value in values]
            lines.append([section.label(row), str(run["seed"]), *cells])
    return lines


def cost_chart(section: Section) -> Chart:
    """Joint coherence against what it took."""
    views: dict[str, list[dict[str, Any]]] = {}
    for column, called in COSTS.items():
        traces = []
        for row in section.shown:
            x, y, label = known(row[column]), known(row["joint_coherence"]), section.label(row)
            if x is not None and y is not None:
                text = f"{label}: {x:.4g} {called}, joint coherence {interval(row, 'joint_coherence')}"
                point = Point(x, y, text, None, _ends(row, "joint_coherence"))
                traces.append(points(label, section.paints[label], [point]))
        if traces:
            views[called] = traces
    axis = {"rangemode": "tozero", "zeroline": False}
    summary = "Means over seeds. Times compare only between runs on the same machine: see the hardware of each row."
    return Chart(
        f"{section.name}-cost",
        "Coherence against cost",
        summary,
        layout("", "joint coherence", axis, UNIT),
        views,
        "x",
        (["method", *COSTS.values(), "joint coherence"], _cost_lines(section)),
    )


def _cost_lines(section: Section) -> list[list[str]]:
    lines = []
    for row in section.shown:
        costs = [known(row[column]) for column in COSTS]
        cells = ["" if cost is None else f"{cost:.4g}" for cost in costs]
        lines.append([section.label(row), *cells, interval(row, "joint_coherence")])
    return lines


def training_chart(section: Section, report: Callable[[str], None]) -> Chart:
    """Curves over epochs, mean over seeds, a term at a time."""
    histories: dict[str, list[History]] = {label: [] for label in section.labels.values()}
    for row in section.shown:
        histories[section.label(row)] = histories_of(section.runs_of(row), report)
    views, last = {}, {label: [label] for label in histories}
    for term, called in TERMS.items():
        curves = curves_of(histories, term)
        if curves:
            views[called] = [line(label, section.paints[label], *curve) for label, curve in curves.items()]
            for label, cells in last.items():
                cells.append(f"{curves[label][1][-1]:.4g}" if label in curves else "")
    summary = "history.csv of every run has all terms; here are means over seeds."
    table = (["method, after the last epoch", *views], list(last.values()))
    axes = layout("epoch", "", {"rangemode": "tozero", "zeroline": False}, {"zeroline": False, "automargin": True})
    return Chart(f"{section.name}-training", "Training curves", summary, axes, views, "y", table)
