"""The tables and pictures of README.md and results/reference/README.md, from the committed runs.

    python scripts/pages.py

writes them anew: tables where their headings stand, pictures into docs/pictures. A picture has joint samples of two or
more methods, the first ten of seed 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results/reference"
QUICK, OVERNIGHT, SHORT = (REFERENCE / name for name in ("quick-bundled", "overnight-rebuilt", "overnight-short"))
README, REPORT = ROOT / "README.md", REFERENCE / "README.md"
SIDE, SHOWN, MODALITIES = 84, 10, 5  # pixels of an item, tuples and modalities
GAP, CAPTION = 20, 30  # pixels
NAMES = {
    "mmvae": "MMVAE",
    "mmvaeplus": "MMVAE+",
    "ebm-base": "MMVAE",
    "ebm-generalized": "MMVAE+",
    "mopoe": "MoPoE",
    "mmjsd": "mmJSD",
    "mvtcae": "MVTCAE",
    "mvae": "MVAE",
}
OWN, BEFORE, AFTER = "its own", ("p0", "its own"), ("bootstrap", "held-out aggregate")  # of the table of priors
SHOWN_FITS = ("ebm-base", "mmvae", "ebm-generalized", "mmvaeplus", "mopoe", "mmjsd", "mvtcae", "mvae")
COMMON = "trainer.epochs=15"  # of all short trainings

Row = dict[Any, Any]


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


class Picture(NamedTuple):
    """A sheet of joint samples: rows of methods, a block each."""

    file: Path
    results: Path
    methods: Sequence[Sequence[str]]

    def draw(self) -> Image.Image:
        rows = {row["method"]: row for row in of_preset(self.results)}
        left, top = place(len(self.methods) - 1, max(map(len, self.methods)) - 1)
        sheet = Image.new("RGB", (left + SHOWN * SIDE, top + MODALITIES * SIDE), "white")
        font, pen = ImageFont.load_default(size=22), ImageDraw.Draw(sheet)
        for row, methods in enumerate(self.methods):
            for column, method in enumerate(methods):
                left, top = place(row, column)
                pen.text((left, top - CAPTION), caption(rows[method]), fill="black", font=font)
                sheet.paste(samples(self.results, rows[method]), (left, top))
        return sheet


def of_preset(results: Path) -> list[Row]:
    """The leaderboard's row of each method as the preset has it, best joint coherence first."""
    rows = pd.read_csv(results / "leaderboard.csv", keep_default_na=False, na_values={"joint_coherence": ""})
    rows = rows[(rows["prior"] == "own") & (rows["settings"] == "")]
    return rows.sort_values("joint_coherence", ascending=False).to_dict("records")


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
    fitted = means.drop(index=[*BEFORE, *AFTER]).mean(axis=1).sort_values().index
    order = (*BEFORE, *fitted, *AFTER)
    return [
        ["(seeds)", *(seeds[method] for method in SHOWN_FITS)],
        *([prior, *(number(means.loc[prior, method]) for method in SHOWN_FITS)] for prior in order),
    ]


def short_rows() -> list[list[str]]:
    """Trainings of 15 epochs: by method, and by what was set beside the epochs."""
    rows = pd.read_csv(SHORT / "leaderboard.csv", keep_default_na=False).query("prior == 'own'")
    own = of_priors(SHORT).query("role == 'trained'")[["config_hash", "fd_joint", "coverage"]]
    rows = rows.merge(own, on="config_hash", validate="one_to_one")
    rows["changed"] = rows["settings"].str.replace(COMMON, "", regex=False).str.strip()
    return [
        [
            row["method"],
            f"`{row['changed']}`" if row["changed"] else "",
            *(number(row[f"joint_coherence{end}"]) for end in ("", "_base", "_aggregate")),
            number(row["cross_coherence"]),
            f"{float(row['fd_joint']):.1f}",
            number(row["coverage"]),
        ]
        for row in rows.sort_values(["method", "changed"]).to_dict("records")
    ]


def place(row: int, column: int) -> tuple[int, int]:
    """Left and top of a block of samples."""
    return column * (SHOWN * SIDE + GAP), CAPTION + row * (MODALITIES * SIDE + CAPTION + GAP)


def samples(results: Path, row: Row) -> Image.Image:
    """The first tuples of a method's samples from its prior."""
    run = results / "runs/polymnist" / row["method"] / f"{row['preset']}-{row['config_hash']}" / "seed-0"
    with Image.open(run / "samples_joint.png") as picture:
        return picture.convert("RGB").crop((0, 0, SHOWN * SIDE, MODALITIES * SIDE))


def caption(row: Row) -> str:
    """Method, prior and joint coherence of a block."""
    mean, low, high = (float(row[f"joint_coherence{end}"]) for end in ("", "_low", "_high"))
    value = f"joint coherence {mean:.2f} [{low:.2f}, {high:.2f}]"
    prior = row["trained_prior"].replace("laplace", "Laplace").replace("normal", "Normal")
    return f"{NAMES[row['method']]}, {prior} prior: {value}, {row['seeds']} seeds"


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
}
COMPARED = (("mmvae", "ebm-base"), ("mmvaeplus", "ebm-generalized"))
PICTURES = {
    "quick": Picture(ROOT / "docs/pictures/priors.png", QUICK, COMPARED),
    "overnight": Picture(
        ROOT / "docs/pictures/real-digits.png", OVERNIGHT, (*COMPARED, ("mopoe", "mmjsd"), ("mvtcae", "mvae"))
    ),
}


def main() -> None:
    for table in TABLES.values():
        text = table.page.read_text()
        table.page.write_text(text.replace("\n".join(table.written()), "\n".join(table.made())))
    for picture in PICTURES.values():
        picture.file.parent.mkdir(parents=True, exist_ok=True)
        picture.draw().quantize(256, dither=Image.Dither.NONE).save(picture.file, optimize=True)
    print(*dict.fromkeys(table.page for table in TABLES.values()), *(p.file for p in PICTURES.values()), sep="\n")


if __name__ == "__main__":
    main()
