"""README's picture and table, from the committed runs.

    python scripts/readme.py

The picture, docs/pictures/priors.png, has joint samples of the poster's two comparisons: the first ten of seed 0. The
numbers are those of results/reference/quick-bundled/leaderboard.csv.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results/reference/quick-bundled"
PICTURE = ROOT / "docs/pictures/priors.png"
README = ROOT / "README.md"
HEADINGS = "| method | prior | seeds | joint coherence | from p0 | held-out aggregate | cross coherence |"
ROWS = (("mmvae", "ebm-base"), ("mmvaeplus", "ebm-generalized"))
NAMES = {"mmvae": "MMVAE", "mmvaeplus": "MMVAE+", "ebm-base": "MMVAE", "ebm-generalized": "MMVAE+"}
SIDE, SHOWN, MODALITIES = 84, 10, 5  # pixels of an item, tuples and modalities
GAP, CAPTION = 20, 30  # pixels


def table() -> list[str]:
    """README's lines, best joint coherence first: every configuration under the prior that it was trained with."""
    rows = pd.read_csv(RESULTS / "leaderboard.csv", keep_default_na=False, na_values={"joint_coherence": ""})
    rows = rows[rows["prior"] == "own"].sort_values("joint_coherence", ascending=False)
    return [HEADINGS, "|---" * HEADINGS.count(" | ") + "|---|", *map(line, rows.to_dict("records"))]


def line(row: dict[Any, Any]) -> str:
    """The settings that the prior does not say stand beside the method."""
    changed = [setting for setting in row["settings"].split() if not setting.startswith("prior=")]
    method = " ".join([f"`{row['method']}`", *changed])
    joint, cross = (
        f"{float(row[name]):.3f} [{float(row[f'{name}_low']):.3f}, {float(row[f'{name}_high']):.3f}]"
        for name in ("joint_coherence", "cross_coherence")
    )
    base, aggregate = (f"{float(row[f'joint_coherence_{name}']):.3f}" for name in ("base", "aggregate"))
    return f"| {method} | {row['trained_prior']} | {row['seeds']} | {joint} | {base} | {aggregate} | {cross} |"


def table_in(text: str) -> list[str]:
    """The lines of the table in README's text."""
    lines = text.splitlines()
    start = lines.index(HEADINGS)
    return lines[start : lines.index("", start)]


def samples(method: str) -> Image.Image:
    """The first tuples of a method's samples from its prior."""
    (path,) = RESULTS.glob(f"runs/polymnist/{method}/*/seed-0/samples_joint.png")
    with Image.open(path) as picture:
        return picture.convert("RGB").crop((0, 0, SHOWN * SIDE, MODALITIES * SIDE))


def caption(method: str, table: pd.DataFrame) -> str:
    (row,) = table[(table["method"] == method) & (table["prior"] == "own")].to_dict("records")
    low, high = row["joint_coherence_low"], row["joint_coherence_high"]
    value = f"joint coherence {row['joint_coherence']:.2f} [{low:.2f}, {high:.2f}]"
    prior = row["trained_prior"].replace("laplace", "Laplace")
    return f"{NAMES[method]}, {prior} prior: {value}, {row['seeds']} seeds"


def place(row: int, column: int) -> tuple[int, int]:
    """Left and top of a block of samples."""
    return column * (SHOWN * SIDE + GAP), CAPTION + row * (MODALITIES * SIDE + CAPTION + GAP)


def draw() -> Image.Image:
    table = pd.read_csv(RESULTS / "leaderboard.csv")
    left, top = place(len(ROWS) - 1, 1)
    sheet = Image.new("RGB", (left + SHOWN * SIDE, top + MODALITIES * SIDE), "white")
    font, pen = ImageFont.load_default(size=22), ImageDraw.Draw(sheet)
    for row, methods in enumerate(ROWS):
        for column, method in enumerate(methods):
            left, top = place(row, column)
            pen.text((left, top - CAPTION), caption(method, table), fill="black", font=font)
            sheet.paste(samples(method), (left, top))
    return sheet


if __name__ == "__main__":
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    draw().quantize(256, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    text = README.read_text()
    README.write_text(text.replace("\n".join(table_in(text)), "\n".join(table())))
    print(PICTURE, README, sep="\n")
