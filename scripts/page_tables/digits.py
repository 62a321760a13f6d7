"""The small networks of the preset quick: methods, priors in both roles, and what the energy needs."""

from __future__ import annotations

from functools import partial

import pandas as pd

from bench.reporting.priors import AGGREGATE, BOOTSTRAP, P0, TRAINED
from committed import (
    ABLATION,
    QUICK,
    REBUILT,
    Row,
    folder_of,
    interval,
    joint,
    number,
    of_measures,
    of_preset,
    of_priors,
    of_runs,
    setting,
    spread,
)

FIT = {  # what priors.csv has of a prior, with the digits that are shown
    "coverage_to_aggregate": 3,
    "precision_to_aggregate": 3,
    "within_class_variance_coherent": 3,
    "aggregate_log_likelihood": 3,
    "fit_seconds": 0,
    "milliseconds_per_1000_samples": 0,
}
VALIDATED = "trainer.validation=0.05"  # of every run of the ablation


def quick_rows() -> list[list[str]]:
    """Every method on the bundled digits, as the first page has it."""
    return [
        [
            f"`{row['method']}`",
            row["trained_prior"],
            str(row["seeds"]),
            *joint(row),
            interval(row, "cross_coherence"),
        ]
        for row in of_preset(QUICK)
    ]


def method_rows() -> list[list[str]]:
    """The same with what else is measured, and by either kind of classifiers."""
    everything = of_measures(QUICK, "cross_coherence_all")
    return [
        [
            row["method"],
            row["trained_prior"],
            str(row["seeds"]),
            *joint(row),
            percent(row["gap_closed"]),
            interval(row, "cross_coherence"),
            number(everything[row["config_hash"]]),
            interval(row, "joint_coherence_published"),
            interval(row, "cross_coherence_published"),
        ]
        for row in of_preset(QUICK)
    ]


def percent(share: object) -> str:
    """Nothing where no gap was closed: it is measured from this prior, or the prior is not known."""
    share = pd.to_numeric(share, errors="coerce")
    return "" if pd.isna(share) or abs(share) < 1e-9 else f"{share:.0%}"


def prior_rows(method: str) -> list[list[str]]:
    """Every prior of one method's models: the worst first, references around."""
    return [
        [
            prior,
            str(len(rows)),
            spread(rows["joint_coherence"]),
            closed(prior, rows),
            *(number(rows[column].mean(), digits) for column, digits in FIT.items()),
        ]
        for prior, rows in by_prior(of_priors(QUICK).query("settings == '' and method == @method"))
    ]


PRIORS_OF = {method: partial(prior_rows, method) for method in ("mmvae", "ebm-base", "mmvaeplus", "ebm-generalized")}


def rebuilt_rows() -> list[list[str]]:
    """Every prior of one model of all of MNIST."""
    return [
        [
            prior,
            spread(rows["joint_coherence"]),
            closed(prior, rows),
            number(rows["coverage_to_aggregate"].mean()),
            number(rows["within_class_variance_coherent"].mean()),
            number(rows["aggregate_log_likelihood"].mean()),
            number(rows["joint_coherence_published"].mean()),
            number(rows["fit_seconds"].mean(), 0),
        ]
        for prior, rows in by_prior(of_priors(REBUILT))
    ]


def closed(prior: str, rows: pd.DataFrame) -> str:
    return "" if prior in (P0, AGGREGATE) else percent(rows["gap_closed"].mean())


def by_prior(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows by prior, the model's own named as such, by their mean joint coherence between the references."""
    names = rows["prior"] + (rows["role"] == TRAINED).map({True: " (its own)", False: ""})
    groups = {str(name): group for name, group in rows.groupby(names)}
    means = {name: group["joint_coherence"].mean() for name, group in groups.items()}
    between = sorted(
        set(groups) - {P0, BOOTSTRAP, AGGREGATE}, key=lambda name: (not name.endswith("own)"), means[name])
    )
    return [(name, groups[name]) for name in (P0, *between, BOOTSTRAP, AGGREGATE) if name in groups]


def together_rows() -> list[list[str]]:
    """Priors that were trained with a model, other than the preset's."""
    coverage = of_measures(QUICK, "coverage_to_aggregate")
    rows = of_runs(QUICK).query("settings != ''").sort_values(["method", "trained_prior"])
    return [
        [
            row["method"],
            learned(row),
            row["config_hash"],
            str(row["seeds"]),
            *joint(row),
            interval(row, "cross_coherence"),
            number(coverage.get(row["config_hash"])),
        ]
        for row in rows.to_dict("records")
    ]


def learned(row: Row) -> str:
    """The prior, and how its energy was learned where that is not the preset's way."""
    return f"{row['trained_prior']}{', short chains from p0' if 'prior.buffer=0' in row['settings'] else ''}"


def ablation_rows() -> list[list[str]]:
    """EBM base with one thing changed, on held-out training tuples; coverage on test tuples."""
    coverage = of_measures(ABLATION, "coverage_to_aggregate")
    found = []
    for row in of_runs(ABLATION).to_dict("records"):
        ends = last_epochs(row)
        validated = ends["validation_joint_coherence"]
        cells = [
            setting(row["settings"].replace(VALIDATED, "").strip()) or "nothing",
            spread(validated),
            number(ends["validation_cross_coherence"].mean()),
            number(ends["energy_gap"].mean(), 1),
            number(coverage[row["config_hash"]]),
        ]
        found.append((validated.mean(), cells))
    return [cells for _, cells in sorted(found, key=lambda pair: (pair[1][0] != "nothing", -pair[0]))]


def last_epochs(row: Row) -> pd.DataFrame:
    """The last row of the history of each seed."""
    runs = sorted(folder_of(ABLATION, row).glob("seed-*"))
    return pd.concat([pd.read_csv(run / "history.csv").tail(1) for run in runs])
