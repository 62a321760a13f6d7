"""Damages data files of a user at random, and asks the readers for the data or for a sentence.

    python -m tests.fuzz.user_data --seconds 60 --seed 0

A round damages one of an MNIST file, a photograph (PNG, JPEG), a tensor file, a file of weights, the files of CUB and
those of a folder of arrays in one or two ways. Whatever comes of it, the reader gives what it promises or raises
DataMissing, which names the file in printable words; in bounded time.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench.datasets.arrays import items
from bench.datasets.arrays.description import FILE, read_description
from bench.datasets.cub.photographs import Photograph, part_of, read_lines
from bench.datasets.cub.rebuilt import read_boxes, read_names
from bench.datasets.files import read_tensor, read_weights
from bench.datasets.polymnist.recipe import read_idx, read_photo
from bench.errors import DataMissing
from tests.fuzz.damage import delete, empty, fifo, flip, folder, link, nested, noise, retype, sparse, truncate
from tests.fuzz.playing import Failure, command, play_until

DAMAGES = (truncate, flip, empty, delete, folder, fifo, link, sparse, noise, nested, retype)
SECONDS = 20.0  # of one reading, on a machine that does other things


def write_all(folder: Path) -> dict[str, Callable[[Path], Any]]:
    """Small files of every kind, and how each is read."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    Image.fromarray(pixels).save(folder / "photo.jpg")
    torch.save(torch.zeros(8, 3, 28, 28, dtype=torch.uint8), folder / "m0.pt")
    torch.save({"a.weight": torch.zeros(8, 3), "a.bias": torch.zeros(8)}, folder / "weights")
    header = bytes([0, 0, 8, 1, 0, 0, 0, 16])
    (folder / "train-labels-idx1-ubyte").write_bytes(header + bytes(16))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + bytes(16)))
    np.save(folder / "images.npy", pixels[None, ..., 0])
    np.save(folder / "vectors.npy", pixels[:, :, 0] / 255)
    np.savez_compressed(folder / "vectors.npz", pixels[:, :, 0] / 255)
    np.save(folder / "labels.npy", pixels[:, 0, 0] % 10)
    (folder / "caption.txt").write_text("a red roof\na green wall\n" * 20)
    Image.fromarray(pixels).save(folder / "bird.jpg")
    (folder / "text_testclasses.txt").write_text("this bird is red. it flies\n" * 20)
    (folder / "images.txt").write_text("".join(f"{i} 001.Red_Bird/{i}.jpg\n" for i in range(20)))
    (folder / "bounding_boxes.txt").write_text("".join(f"{i} 1.0 2.5 30.0 40.0\n" for i in range(20)))
    (folder / FILE).write_text("modalities: {a: {kind: image, scale: 0.5}, b: {kind: text, tokens: 9}}\nlabels: {c: 3}")
    return {
        "images.npy": items.images,
        "vectors.npy": lambda path: items.vectors(path, binary=True),
        "vectors.npz": lambda path: items.vectors(path, binary=False),
        "labels.npy": lambda path: items.labels(path, 10),
        "caption.txt": items.sentences,
        FILE: lambda path: read_description(path.parent),
        "text_testclasses.txt": read_lines,
        "images.txt": read_names,
        "bounding_boxes.txt": read_boxes,
        "bird.jpg": lambda path: part_of([Photograph(path, "bird", ["a red bird"] * 10, (0, 9, 40.5, 20))], path),
        "photo.png": lambda path: read_photo(path, 0),
        "photo.jpg": lambda path: read_photo(path, 0),
        "weights": lambda path: read_weights(path, {"a.weight": (8, 3), "a.bias": (8,)}),
        "m0.pt": lambda path: read_tensor(path, (8, 3, 28, 28), {torch.uint8}),
        "train-labels-idx1-ubyte": read_idx,
        "t10k-labels-idx1-ubyte.gz": read_idx,
    }


def play(whole: Path, readers: dict[str, Callable[[Path], Any]], seed: int, number: int) -> None:
    """One round. Raises Failure, with what was damaged."""
    rng = Random(f"{seed} {number}")
    name = rng.choice(sorted(readers))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / name
        shutil.copy(whole / name, path)
        done = []
        for _ in range(rng.choice([1, 1, 2])):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**24:  # not of a sparse one
                done.append(rng.choice(DAMAGES)(rng, path))
        started, what = time.monotonic(), f"seed {seed}, round {number}: {name}, after {', '.join(map(str, done))}"
        try:
            readers[name](path)
        except DataMissing as error:
            if name not in str(error):
                raise Failure(f"{what}: the message does not name the file: {error}") from error
        except Exception as error:
            raise Failure(f"{what}: {type(error).__name__}: {error}") from error
        if (taken := time.monotonic() - started) > SECONDS:
            raise Failure(f"{what}: reading took {taken:.0f} s")


def fuzz(seconds: float, seed: int, rounds: Iterator[int]) -> int:
    """Plays rounds until the time is over; how many. Raises Failure."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, on images that are damaged
        readers = write_all(Path(place))
        return play_until(seconds, rounds, lambda number: play(Path(place), readers, seed, number))


def main() -> int:
    return command(__doc__, fuzz)


if __name__ == "__main__":
    sys.exit(main())
