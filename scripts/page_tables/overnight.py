"""All of MNIST, preset overnight: the poster's table, priors fitted to the same models, short and long trainings."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from bench.reporting.priors import AGGREGATE, BOOTSTRAP, P0, TRAINED
from bench.reporting.statistics import student_interval
from committed import (
    JOINT,
    OVERNIGHT,
    REFERENCE,
    SHORT,
    Row,
    interval,
    number,
    of_preset,
    of_priors,
    of_runs,
    of_seed_0,
    setting,
)

OWN = "its own"
BEFORE, AFTER = (P0, OWN), (BOOTSTRAP, AGGREGATE)  # of the table of priors
SHOWN_FITS = ("ebm-base", "mmvae", "ebm-generalized", "mmvaeplus", "mopoe", "mmjsd", "mvtcae", "mvae")
ROBUST, PUBLISHED = "joint_coherence", "joint_coherence_published"  # by either kind of classifiers
FURTHER = {  # measures, with the digits that are shown
    "log_likelihood": 0,
    "probe_z": 3,
    "probe_w": 3,
    "cross_coherence_all": 3,
    "fd_joint": 1,
    "precision": 3,
    "recall": 3,
    "coverage": 3,
    "within_class_variance_coherent": 3,
    "nearest_training": 2,
}
COMMON = "trainer.epochs=15"  # of all short trainings


def with_published() -> list[Row]:
    """Our rows beside the published ones of the same methods; those that were not published are last."""
    published = pd.read_csv(REFERENCE / "published.csv").query("dataset == 'polymnist'")
    ours = of_preset(OVERNIGHT)
    both = published.merge(pd.DataFrame(ours), on="method", suffixes=("_poster", "")).to_dict("records")
    known = {row["method"] for row in both}
    return [*both, *(row for row in ours if row["method"] not in known)]


def poster_rows() -> list[list[str]]:
    """The published values beside ours, by either kind of classifiers."""
    return [
        [
            row["method"],
            str(row["seeds"]),
            number(row.get("joint_coherence_poster", "")),
            interval(row, "joint_coherence_published"),
            number(row.get("cross_coherence_poster", "")),
            interval(row, "cross_coherence_published"),
            interval(row, "joint_coherence"),
            number(row["joint_coherence_aggregate"]),
            interval(row, "cross_coherence"),
        ]
        for row in with_published()
    ]


def of_priors_of_preset() -> pd.DataFrame:
    """priors.csv of the methods as the preset has them, the prior that a model was trained with by one name."""
    rows = of_priors(OVERNIGHT).query("settings == ''")
    return rows.assign(prior=rows["prior"].mask(rows["role"] == TRAINED, OWN))


def fitted_rows() -> list[list[str]]:
    """Joint coherence by prior and method, of seed 0: references around, the worst fit first."""
    rows = of_priors_of_preset().query("seed == 0")
    values = rows.pivot(index="prior", columns="method", values="joint_coherence").reindex(columns=SHOWN_FITS)
    fitted = values.drop(index=[*BEFORE, *AFTER]).mean(axis=1).sort_values().index
    return [
        [prior, *(number(values.loc[prior, method]) for method in SHOWN_FITS)] for prior in (*BEFORE, *fitted, *AFTER)
    ]


def own_and_fitted() -> list[tuple[str, pd.DataFrame]]:
    """Each method's priors.csv by seed, columns (measure, prior), where an energy was fitted: the best energy first."""
    by_prior = of_priors_of_preset().pivot(index=["method", "seed"], columns="prior", values=[ROBUST, PUBLISHED])
    fitted = by_prior[by_prior[ROBUST, "energy"].notna()]
    methods = [(str(method), values) for method, values in fitted.groupby("method")]
    return sorted(methods, key=lambda pair: -pair[1][ROBUST, "energy"].mean())


def energy_rows() -> list[list[str]]:
    """An energy that is fitted to each method's models, beside their own prior and what bounds it."""
    return [
        [
            method,
            str(len(values)),
            number(values[ROBUST, OWN].mean()),
            with_interval(values[ROBUST, "energy"]),
            with_interval(values[ROBUST, "energy"] - values[ROBUST, OWN]),
            *(number(values[ROBUST, name].mean()) for name in AFTER),
            with_interval(values[PUBLISHED, "energy"]),
        ]
        for method, values in own_and_fitted()
    ]


def summary_rows() -> list[list[str]]:
    """The same, as the first page has it."""
    return [
        [
            f"`{method}`",
            with_interval(values[ROBUST, OWN]),
            with_interval(values[ROBUST, "energy"]),
            number(values[ROBUST, AGGREGATE].mean()),
        ]
        for method, values in own_and_fitted()
    ]


def with_interval(values: pd.Series[float]) -> str:
    """The mean over seeds with its Student-t interval."""
    _, low, high = student_interval(values.tolist(), lowest=-1.0)
    return f"{number(values.mean())} [{number(low)}, {number(high)}]"


def further_rows() -> list[list[str]]:
    """What else is measured of seed 0 of each method, under its own prior."""
    values = of_seed_0(OVERNIGHT)
    return [
        [row["method"], *(number(values.loc[row["config_hash"], name], digits) for name, digits in FURTHER.items())]
        for row in of_preset(OVERNIGHT)
    ]


def short_rows() -> list[list[str]]:
    """Trainings of 15 epochs: by method, and by what was set beside the epochs."""
    rows = of_runs(SHORT)
    own = of_priors(SHORT).query("role == 'trained'")[["config_hash", "fd_joint", "coverage"]]
    rows = rows.merge(own, on="config_hash", validate="one_to_one")
    rows["changed"] = rows["settings"].str.replace(COMMON, "", regex=False).str.strip()
    return [
        [
            row["method"],
            setting(row["changed"]),
            *(number(row[metric]) for metric in JOINT),
            number(row["cross_coherence"]),
            number(row["fd_joint"], 1),
            number(row["coverage"]),
        ]
        for row in rows.sort_values(["method", "changed"]).to_dict("records")
    ]


def time_rows() -> list[list[str]]:
    """Seed 0 of a method by the epochs that it was trained for, all else as the preset has it."""
    metrics, rows = (*JOINT, "cross_coherence", "cross_coherence_published"), []
    for results in (SHORT, OVERNIGHT):
        runs = of_runs(results)
        runs = runs[runs["settings"].str.fullmatch(r"(trainer\.epochs=\d+)?")][["method", "config_hash", "epochs"]]
        rows += runs.merge(of_seed_0(results), on="config_hash").to_dict("records")
    trainings = Counter(row["method"] for row in rows)
    return [
        [row["method"], str(row["epochs"]), *(number(row[metric]) for metric in metrics)]
        for row in sorted(rows, key=lambda row: (row["method"], row["epochs"]))
        if trainings[row["method"]] > 1
    ]
