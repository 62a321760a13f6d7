"""The page's charts, each of one section: coherence, diversity, seeds, energies, cost and training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.reporting.curves import curves_of, histories_of
from bench.reporting.page.charts import UNIT, Chart, Point, layout, line, points
from bench.reporting.page.sections import Row, Section, interval, known
from bench.reporting.prior_lines import by_prior, estimate
from bench.reporting.priors import AGGREGATE, P0, REFERENCE, TRAINED
from bench.runs.history import History

COVERAGE, VARIANCE = "coverage_to_aggregate", "within_class_variance_coherent"
DIVERSITY = {
    VARIANCE: "within-class variance of coherent samples (real data: 1)",
    COVERAGE: "coverage of aggregate samples",
}
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
        texts = [interval(row, metric) for metric in ("joint_coherence", "cross_coherence")]
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
    views: dict[str, list[dict[str, Any]]] = {}
    lines = []
    for column, called in DIVERSITY.items():
        traces = []
        for label, rows in _by_label(section).items():
            found = [point for group in by_prior(rows) for point in _diverse(group, column, label)]
            solid = [point for point in found if not point.hollow]
            hollow = [point for point in found if point.hollow]
            for place, part in enumerate(filter(None, (solid, hollow))):
                traces.append(points(label, section.paints[label], part, legend=place == 0))
            lines += [[called, point.text] for point in found]
        if traces:
            views[called] = traces
    return Chart(
        f"{section.name}-diversity",
        "Coherence against diversity",
        "A prior that copies a few prototypes has coherence and no diversity. Filled: the model's own prior; hollow: "
        "fitted priors and references. z encoded from held-out tuples (“held-out aggregate”) has the diversity that a "
        "prior can be expected to reach; more than that are samples off the data.",
        layout("diversity", "joint coherence", {"rangemode": "tozero", "zeroline": False}, UNIT),
        views,
        "x",
        (["diversity measured by", "prior"], lines),
    )


def _by_label(section: Section) -> dict[str, list[Row]]:
    """The rows of priors of each configuration."""
    found: dict[str, list[Row]] = {label: [] for label in section.paints}
    for row in section.priors:
        found[section.label(row)].append(row)
    return found


def _diverse(group: Sequence[Row], column: str, label: str) -> Iterator[Point]:
    seeds = [row for row in group if known(row[column]) is not None and known(row["joint_coherence"]) is not None]
    x, y = estimate(seeds, column), estimate(seeds, "joint_coherence")
    if x is None or y is None or (group[0]["role"] == REFERENCE and group[0]["prior"] == P0):
        return
    first = group[0]
    prior = first["prior"] if first["role"] == REFERENCE else f"{first['prior']} prior, {first['role']}"
    name = DIVERSITY[column]
    text = f"{label}, {prior}: joint coherence {y.mean:.3f}, {name} {x.mean:.3f}, {y.n} seeds"
    hollow = first["role"] != TRAINED or first["prior"] == AGGREGATE
    yield Point(x.mean, y.mean, text, hollow=hollow)


def seeds_chart(section: Section) -> Chart:
    """Every run by itself."""
    views = {}
    for metric in ("joint_coherence", "cross_coherence"):
        traces = []
        for row in section.shown:
            label = section.label(row)
            runs = [run for run in section.runs_of(row) if known(run[metric]) is not None]
            found = [Point(label, run[metric], f"{label}, seed {run['seed']}: {run[metric]:.4f}") for run in runs]
            if found:
                traces.append(points(label, section.paints[label], found, legend=False))
        views[metric.replace("_", " ")] = traces
    categories = {"type": "category", "automargin": True}
    summary = "Each mark is one trained model. What lies closer together than the seeds of one method is no difference."
    return Chart(f"{section.name}-seeds", "Seeds one by one", summary, layout("", "coherence", categories, UNIT), views)


def cost_chart(section: Section) -> Chart:
    """Joint coherence against what it took."""
    views: dict[str, list[dict[str, Any]]] = {}
    for column, called in {"train_seconds": "seconds of training", "samples_per_second": "samples/s"}.items():
        traces = []
        for row in section.shown:
            x, y, label = known(row[column]), known(row["joint_coherence"]), section.label(row)
            if x is not None and y is not None:
                text = f"{label}: {x:.4g} {called}, joint coherence {interval(row, 'joint_coherence')}"
                point = Point(x, y, text, None, _ends(row, "joint_coherence"))
                traces.append(points(label, section.paints[label], [point]))
        views[called] = traces
    axis = {"rangemode": "tozero", "zeroline": False}
    summary = "Means over seeds. Times compare only between runs on the same machine: see the hardware of each row."
    return Chart(
        f"{section.name}-cost",
        "Coherence against cost",
        summary,
        layout("cost", "joint coherence", axis, UNIT),
        views,
        "x",
    )


def training_chart(section: Section, report: Callable[[str], None]) -> Chart:
    """Curves over epochs, mean over seeds, a term at a time."""
    histories: dict[str, list[History]] = {label: [] for label in section.paints}
    for row in section.shown:
        histories[section.label(row)] = histories_of(section.runs_of(row), report)
    views = {}
    for term, called in TERMS.items():
        curves = curves_of(histories, term)
        if curves:
            views[called] = [line(label, section.paints[label], *curve) for label, curve in curves.items()]
    summary = "history.csv of every run has all terms; here are means over seeds."
    axes = layout("epoch", "", {"rangemode": "tozero", "zeroline": False}, {"zeroline": False, "automargin": True})
    return Chart(f"{section.name}-training", "Training curves", summary, axes, views, "y")
