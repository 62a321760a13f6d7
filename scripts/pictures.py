"""The pictures of the pages: joint samples of two or more methods, the first ten of seed 0 of the committed runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from committed import OVERNIGHT, QUICK, ROOT, Row, folder_of, of_preset

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

    def write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.draw().quantize(256, dither=Image.Dither.NONE).save(self.file, optimize=True)


def place(row: int, column: int) -> tuple[int, int]:
    """Left and top of a block of samples."""
    return column * (SHOWN * SIDE + GAP), CAPTION + row * (MODALITIES * SIDE + CAPTION + GAP)


def samples(results: Path, row: Row) -> Image.Image:
    """The first tuples of a method's samples from its prior."""
    with Image.open(folder_of(results, row) / "seed-0/samples_joint.png") as picture:
        return picture.convert("RGB").crop((0, 0, SHOWN * SIDE, MODALITIES * SIDE))


def caption(row: Row) -> str:
    """Method, prior and joint coherence of a block."""
    mean, low, high = (float(row[f"joint_coherence{end}"]) for end in ("", "_low", "_high"))
    value = f"joint coherence {mean:.2f} [{low:.2f}, {high:.2f}]"
    prior = row["trained_prior"].replace("laplace", "Laplace").replace("normal", "Normal")
    return f"{NAMES[row['method']]}, {prior} prior: {value}, {row['seeds']} seeds"


COMPARED = (("mmvae", "ebm-base"), ("mmvaeplus", "ebm-generalized"))
PICTURES = {
    "quick": Picture(ROOT / "docs/pictures/priors.png", QUICK, COMPARED),
    "overnight": Picture(
        ROOT / "docs/pictures/real-digits.png", OVERNIGHT, (*COMPARED, ("mopoe", "mmjsd"), ("mvtcae", "mvae"))
    ),
}
