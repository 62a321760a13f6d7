"""CUB from its owners' files: the photographs of CUB-200-2011 (Wah et al. 2011), cropped to the bird, and their
captions (Reed et al. 2016, ten an image), which also divide the species.

CUB_200_2011/images/<species>/<name>.jpg
CUB_200_2011/images.txt           <number> <species>/<name>.jpg
CUB_200_2011/bounding_boxes.txt   <number> <left> <top> <width> <height>
cvpr2016_cub/text_c10/<species>/<name>.txt   ten lines
cvpr2016_cub/trainvalclasses.txt  cvpr2016_cub/testclasses.txt   <species>

Images are in the order of images.txt. It may name fewer images than CUB has, of fewer species.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from bench.config.values import shown
from bench.datasets.cub.official import alternative
from bench.datasets.cub.photographs import CAPTIONS, Box, Photograph, check_species, part_of, read_lines
from bench.datasets.cub.tuples import SPLITS, Arrays, arrays_of
from bench.datasets.files import refusing
from bench.errors import DataMissing

IMAGE_PLACES = ("CUB_200_2011", "cub/CUB_200_2011", "CUB_200_2011/CUB_200_2011", ".")
TEXT_PLACES = ("cvpr2016_cub", "cub/cvpr2016_cub", "CUB_200_2011", ".")
IMAGE_FILES = ("images", "images.txt", "bounding_boxes.txt")
TEXT_FILES = ("text_c10", "trainvalclasses.txt", "testclasses.txt")
NUMBER = re.compile(r"[0-9]{1,9}")
WHERE = (
    "Get CUB_200_2011.tgz (data.caltech.edu/records/65de6-vp158) and cvpr2016_cub.tar.gz (named by the README of "
    "github.com/reedscot/cvpr2016), and unpack both into {}, so that it holds CUB_200_2011/{{images, images.txt, "
    "bounding_boxes.txt}} and cvpr2016_cub/{{text_c10, trainvalclasses.txt, testclasses.txt}}"
)


def locate(data_root: Path) -> list[Path]:
    """The folder of images, images.txt and the boxes; the folder of captions and the two lists. Raises DataMissing."""
    found: list[Path] = []
    for places, names in ((IMAGE_PLACES, IMAGE_FILES), (TEXT_PLACES, TEXT_FILES)):
        options = [[data_root / place / name for name in names] for place in places]
        complete = [paths for paths in options if all(path.exists() for path in paths)]
        if not complete:
            best = max(options, key=lambda paths: sum(path.exists() for path in paths))
            absent = next(path for path in best if not path.exists())
            where = WHERE.format(data_root)
            raise DataMissing(f"no CUB to rebuild under {data_root}: {absent} is missing. {where}. {alternative()}")
        found += complete[0]
    return found


def build(inputs: Sequence[Path]) -> Arrays:
    """Raises DataMissing, with file and line, where a file is damaged or two contradict each other."""
    images, names, boxes, texts, *lists = inputs
    listed = dict(zip(SPLITS, lists, strict=True))
    species = {split: {name for name in read_lines(path) if name} for split, path in listed.items()}
    check_species(species, listed)
    box_of = read_boxes(boxes)
    photographs: dict[str, list[Photograph]] = {split: [] for split in SPLITS}
    used: set[PurePosixPath] = set()
    for line, number, name in read_names(names):
        split = next((s for s in SPLITS if name.parts[0] in species[s]), None)
        if split is None:
            raise DataMissing(f"{names}, line {line}: species {shown(name.parts[0])} is in neither of {_both(lists)}")
        if number not in box_of:
            raise DataMissing(f"{boxes} has no line for image {number}, {name} ({names}, line {line})")
        path, text = images / name, texts / name.with_suffix(".txt")
        for needed, what in ((path, "image"), (text, "file of captions")):
            with refusing(needed, what):
                there = needed.exists()
            if not there:
                raise DataMissing(f"{names}, line {line}: there is no {what} {needed}")
        used.add(name.with_suffix(".txt"))
        photographs[split].append(Photograph(path, name.parts[0], _captions(text), box_of[number]))
    _check_none_left(texts, used, names)
    for split, path in listed.items():
        if not photographs[split]:
            raise DataMissing(f"{names} names no image of a species of {path}")
    return arrays_of({split: part_of(photographs[split], texts) for split in SPLITS})


def _both(lists: Sequence[Path]) -> str:
    return " and ".join(map(str, lists))


def read_names(path: Path) -> list[tuple[int, int, PurePosixPath]]:
    """Line, number and species/name of each image."""
    rows: list[tuple[int, int, PurePosixPath]] = []
    seen: set[int | str] = set()
    for line, text in enumerate(read_lines(path), 1):
        number, _, rest = text.partition(" ")
        name = PurePosixPath(rest)
        if not NUMBER.fullmatch(number) or len(name.parts) != 2 or ".." in name.parts:
            raise DataMissing(f"{path}, line {line}: is {shown(text)}; expected <number> <species>/<name>.jpg")
        if seen & {int(number), rest}:
            raise DataMissing(f"{path}, line {line}: {shown(text)} is there already: keep one line for each image")
        seen |= {int(number), rest}
        rows.append((line, int(number), name))
    return rows


def read_boxes(path: Path) -> Mapping[int, Box]:
    boxes = {}
    for line, text in enumerate(read_lines(path), 1):
        try:
            number, left, top, width, height = map(float, text.split())
        except ValueError:
            number = math.nan
        if not (number.is_integer() and all(map(math.isfinite, (left, top, width, height)))):
            raise DataMissing(f"{path}, line {line}: is {shown(text)}; expected <number> <left> <top> <width> <height>")
        boxes[int(number)] = (left, top, width, height)
    return boxes


def _captions(path: Path) -> list[str]:
    lines = read_lines(path)
    if len(lines) != CAPTIONS:
        raise DataMissing(f"{path} has {len(lines)} lines; expected {CAPTIONS}, one caption a line: unpack it again")
    return lines


def _check_none_left(texts: Path, used: set[PurePosixPath], names: Path) -> None:
    with refusing(texts, "folder of captions"):
        there = {PurePosixPath(path.parent.name, path.name) for path in texts.glob("*/*.txt")}
    if extra := sorted(there - used):
        raise DataMissing(f"{texts / extra[0]} holds captions of an image that {names} does not name: remove it")
