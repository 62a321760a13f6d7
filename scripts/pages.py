"""The tables of README.md and results/reference/README.md, from the committed runs.

    python scripts/pages.py

writes them anew where their headings stand, and the pictures too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pictures import OVERNIGHT, PICTURES, QUICK, REFERENCE, ROOT, Row, of_preset

SHORT = REFERENCE / "overnight-short"
README, REPORT = ROOT / "README.md", REFERENCE / "README.md"
OWN, BEFORE, AFTER = "its own", ("p0", "its own"), ("bootstrap", "held-out aggregate")  # of the table of priors
SHOWN_FITS = ("ebm-base", "mmvae", "ebm-generalized", "mmvaeplus", "mopoe", "mmjsd", "mvtcae", "mvae")
JOINT = ("joint_coherence", "joint_coherence_base", "joint_coherence_aggregate")
COMMON = "trainer.epochs=15"  # of all short trainings


class Table(NamedTuple):
    """Lines of a page, found by their headings."""

    page: Path
    headings: str
    rows: Callable[[], list[list[str]]]

    def made(self) -> list[str]:
        """The table as the committed runs have it."""
        rule = "|---" * (self.headings.count(" | ") + 1) + "|"
        return [self.headings, rule, *("| " + " | ".join(cells) + " |" for cells in self.rows())]

    def written(self) -> list[str]:
        """The table as the page has it."""
        lines = self.page.read_text().splitlines()
        start = lines.index(self.headings)
        return lines[start : lines.index("", start)]


def number(value: Any) -> str:
    """Three digits; nothing for what was not measured."""
    return "" if value == "" or pd.isna(value) else f"{float(value):.3f}"


def interval(row: Row, metric: str) -> str:
    """The mean, with its interval where several seeds give one."""
    mean, low, high = (number(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
    return mean if int(row["seeds"]) < 2 else f"{mean} [{low}, {high}]"


def quick_rows() -> list[list[str]]:
    """Every method on the bundled digits."""
    return [
        [
            f"`{row['method']}`",
            row["trained_prior"],
            str(row["seeds"]),
            interval(row, "joint_coherence"),
            number(row["joint_coherence_base"]),
            number(row["joint_coherence_aggregate"]),
            interval(row, "cross_coherence"),
        ]
        for row in of_preset(QUICK)
    ]


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


def of_priors(results: Path) -> pd.DataFrame:
    """priors.csv: a row for each model and prior, of every seed."""
    return pd.read_csv(results / "priors.csv", keep_default_na=False, na_values={"joint_coherence": ""})


def fitted_rows() -> list[list[str]]:
    """Joint coherence by prior and method, of the seeds that have fits: references around, the worst fit first."""
    rows = of_priors(OVERNIGHT).query("settings == ''")
    rows["prior"] = rows["prior"].mask(rows["role"] == "trained", OWN)
    with_fits = rows.loc[rows["role"] == "fitted", ["method", "seed"]].drop_duplicates()
    each = rows.merge(with_fits).pivot(index=["prior", "seed"], columns="method", values="joint_coherence")
    seeds = with_fits.groupby("method")["seed"].agg(lambda found: ", ".join(map(str, sorted(found))))
    by_prior = each.groupby("prior")
    means = by_prior.mean().where(by_prior.count() == with_fits["method"].value_counts())  # none of fewer seeds
    means = means.reindex(columns=SHOWN_FITS)
    fitted = means.drop(index=[*BEFORE, *AFTER]).mean(axis=1).sort_values().index
    order = (*BEFORE, *fitted, *AFTER)
    return [
        ["(seeds)", *(seeds.get(method, "") for method in SHOWN_FITS)],
        *([prior, *(number(means.loc[prior, method]) for method in SHOWN_FITS)] for prior in order),
    ]


def of_runs(results: Path) -> pd.DataFrame:
    """leaderboard.csv: a row for each configuration, under the prior that it was trained with."""
    return pd.read_csv(results / "leaderboard.csv", keep_default_na=False).query("prior == 'own'")


def short_rows() -> list[list[str]]:
    """Trainings of 15 epochs: by method, and by what was set beside the epochs."""
    rows = of_runs(SHORT)
    own = of_priors(SHORT).query("role == 'trained'")[["config_hash", "fd_joint", "coverage"]]
    rows = rows.merge(own, on="config_hash", validate="one_to_one")
    rows["changed"] = rows["settings"].str.replace(COMMON, "", regex=False).str.strip()
    return [
        [
            row["method"],
            f"`{row['changed']}`" if row["changed"] else "",
            *(number(row[metric]) for metric in JOINT),
            number(row["cross_coherence"]),
            f"{float(row['fd_joint']):.1f}",
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
        measures = pd.read_csv(results / "measures.csv").query("prior == 'own' and seed == 0")
        values = measures.pivot(index="config_hash", columns="measure", values="value")
        rows += runs.merge(values, on="config_hash").to_dict("records")
    trainings = Counter(row["method"] for row in rows)
    return [
        [row["method"], str(row["epochs"]), *(number(row[metric]) for metric in metrics)]
        for row in sorted(rows, key=lambda row: (row["method"], row["epochs"]))
        if trainings[row["method"]] > 1
    ]


TABLES = {
    "quick": Table(
        README,
        "| method | prior | seeds | joint coherence | from p0 | held-out aggregate | cross coherence |",
        quick_rows,
    ),
    "poster": Table(
        REPORT,
        "| method | seeds | joint: poster | joint: ours | cross: poster | cross: ours "
        "| joint, robust | held-out aggregate, robust | cross, robust |",
        poster_rows,
    ),
    "fitted": Table(REPORT, "| prior of z | " + " | ".join(SHOWN_FITS) + " |", fitted_rows),
    "short": Table(
        REPORT,
        "| method | changed | joint coherence | from p0 | aggregate posterior | cross coherence "
        "| Fréchet distance | coverage of real items |",
        short_rows,
    ),
    "time": Table(
        REPORT,
        "| method | epochs | joint coherence | from p0 | aggregate posterior | cross coherence "
        "| cross, published classifiers |",
        time_rows,
    ),
}


def main() -> None:
    for table in TABLES.values():
        text = table.page.read_text()
        table.page.write_text(text.replace("\n".join(table.written()), "\n".join(table.made())))
    for picture in PICTURES.values():
        picture.write()
    print(*dict.fromkeys(table.page for table in TABLES.values()), *(p.file for p in PICTURES.values()), sep="\n")


if __name__ == "__main__":
    main()
