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


def of_preset() -> list[dict[Any, Any]]:
    """The leaderboard's row of each method as the preset has it, best joint coherence first."""
    rows = pd.read_csv(RESULTS / "leaderboard.csv", keep_default_na=False, na_values={"joint_coherence": ""})
    rows = rows[(rows["prior"] == "own") & (rows["settings"] == "")]
    return rows.sort_values("joint_coherence", ascending=False).to_dict("records")


def table() -> list[str]:
    """README's lines."""
    return [HEADINGS, "|---" * HEADINGS.count(" | ") + "|---|", *map(line, of_preset())]


def line(row: dict[Any, Any]) -> str:
    joint, cross = (
        f"{float(row[name]):.3f} [{float(row[f'{name}_low']):.3f}, {float(row[f'{name}_high']):.3f}]"
        for name in ("joint_coherence", "cross_coherence")
    )
    base, aggregate = (f"{float(row[f'joint_coherence_{name}']):.3f}" for name in ("base", "aggregate"))
    return f"| `{row['method']}` | {row['trained_prior']} | {row['seeds']} | {joint} | {base} | {aggregate} | {cross} |"


def table_in(text: str) -> list[str]:
    """The lines of the table in README's text."""
    lines = text.splitlines()
    start = lines.index(HEADINGS)
    return lines[start : lines.index("", start)]


def samples(row: dict[Any, Any]) -> Image.Image:
    """The first tuples of a method's samples from its prior."""
    run = RESULTS / "runs/polymnist" / row["method"] / f"quick-{row['config_hash']}" / "seed-0"
    with Image.open(run / "samples_joint.png") as picture:
        return picture.convert("RGB").crop((0, 0, SHOWN * SIDE, MODALITIES * SIDE))


def caption(row: dict[Any, Any]) -> str:
    mean, low, high = (float(row[f"joint_coherence{end}"]) for end in ("", "_low", "_high"))
    value = f"joint coherence {mean:.2f} [{low:.2f}, {high:.2f}]"
    prior = row["trained_prior"].replace("laplace", "Laplace")
    return f"{NAMES[row['method']]}, {prior} prior: {value}, {row['seeds']} seeds"


def place(row: int, column: int) -> tuple[int, int]:
    """Left and top of a block of samples."""
    return column * (SHOWN * SIDE + GAP), CAPTION + row * (MODALITIES * SIDE + CAPTION + GAP)


def draw() -> Image.Image:
    rows = {row["method"]: row for row in of_preset()}
    left, top = place(len(ROWS) - 1, 1)
    sheet = Image.new("RGB", (left + SHOWN * SIDE, top + MODALITIES * SIDE), "white")
    font, pen = ImageFont.load_default(size=22), ImageDraw.Draw(sheet)
    for row, methods in enumerate(ROWS):
        for column, method in enumerate(methods):
            left, top = place(row, column)
            pen.text((left, top - CAPTION), caption(rows[method]), fill="black", font=font)
            sheet.paste(samples(rows[method]), (left, top))
    return sheet


if __name__ == "__main__":
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    draw().quantize(256, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    text = README.read_text()
    README.write_text(text.replace("\n".join(table_in(text)), "\n".join(table())))
    print(PICTURE, README, sep="\n")
