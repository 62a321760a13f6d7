"""Pictures of runs, small enough to be embedded: they may be anybody's files, and are decoded and written again."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.runs.reading import Unreadable, read_bytes

BYTES, PIXELS = 16 << 20, 24_000_000  # of a picture that is read
SCALES = (4, 3, 2)  # by which pictures are enlarged
WIDEST = 3000
SAMPLES, LEGIBLE = 20, 2400  # columns of a sheet of joint samples; pixels up to which one with words is wide enough


@dataclass(frozen=True)
class Picture:
    """One that is part of the page: the data URI, and its size in pixels.

    Args:
        written: whether it was not enlarged, as what has words in it: made smaller, nobody could read them.
    """

    src: str
    width: int
    height: int
    written: bool

    @property
    def small(self) -> bool:
        """Whether its pixels are the data's, so that enlarging should not blur them."""
        return self.height <= 400


def read_picture(path: Path) -> Image.Image:
    """Raises Unreadable for what is no PNG of a reasonable size."""
    content = read_bytes(path, BYTES)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if picture.width * picture.height > PIXELS:
                raise Unreadable(f"has {picture.width} x {picture.height} pixels")
            shown = picture.convert("RGB")
            shown.info = dict(picture.info)
            return shown
    except Unreadable:
        raise
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise Unreadable(f"is no PNG ({type(error).__name__})") from None


def reduced(picture: Image.Image) -> Image.Image:
    """The picture before it was enlarged, exactly; itself where it was not."""
    pixels = np.asarray(picture)
    height, width, _ = pixels.shape
    for scale in SCALES:
        if height % scale == 0 and width % scale == 0 and _repeats(pixels, scale):
            rows = pixels[::scale]
            if _repeats(rows.swapaxes(0, 1), scale):
                return Image.fromarray(np.ascontiguousarray(rows[:, ::scale]))
    return picture


def _repeats(lines: Any, times: int) -> bool:
    """Whether each line is there so many times."""
    return all(np.array_equal(lines[::times], lines[k::times]) for k in range(1, times))


def first_samples(sheet: Image.Image) -> Image.Image:
    """Of a sheet of joint samples that has words, and so keeps its size, as many columns as the page has room for."""
    column, rest = divmod(sheet.width, SAMPLES)
    if sheet.width <= LEGIBLE or rest or column > LEGIBLE or reduced(sheet) is not sheet:
        return sheet
    return sheet.crop((0, 0, LEGIBLE // column * column, sheet.height))


def embedded(picture: Image.Image) -> Picture:
    """As PNG or as JPEG with all of its colours, whichever is smaller: drawn text is PNG, noisy images are JPEG."""
    whole = picture
    picture = reduced(picture)
    written = picture is whole
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, max(1, picture.height * WIDEST // picture.width)))
    kind, content = "jpeg", _written(picture, "jpeg", quality=70, subsampling=0)
    # Noise does not pack, which a quick attempt tells: thorough packing would take most of a report's time.
    if len(_written(picture, "png", compress_level=1)) < 2 * len(content):
        packed = _written(picture, "png")
        kind, content = min((kind, content), ("png", packed), key=lambda found: len(found[1]))
    src = base64.b64encode(content).decode()
    return Picture(f"data:image/{kind};base64,{src}", picture.width, picture.height, written)


def _written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
