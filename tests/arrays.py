"""A small folder of arrays: an image, a vector, a text and a label, which tests damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np

YAML = """
modalities:
  photo: {kind: image}
  numbers: {kind: vector, likelihood: laplace, scale: 0.5}
  caption: {kind: text, weight: 2}
labels: {shape: 3}
"""


def write_folder(folder: Path, rows: int = 40) -> Path:
    rng = np.random.default_rng(0)
    for split, n in (("train", rows), ("test", rows // 2)):
        (folder / split).mkdir(parents=True, exist_ok=True)
        shape = np.arange(n) % 3
        np.save(folder / split / "photo.npy", rng.integers(0, 256, (n, 12, 8), np.uint8))
        np.save(folder / split / "numbers.npy", rng.normal(size=(n, 5)) + shape[:, None])
        lines = [f"a {('big', 'small')[row % 2]} {('roof', 'wall', 'door')[row % 3]}\n" for row in range(n)]
        (folder / split / "caption.txt").write_text("".join(lines))
        np.save(folder / split / "shape.npy", shape)
    (folder / "dataset.yaml").write_text(YAML)
    return folder
