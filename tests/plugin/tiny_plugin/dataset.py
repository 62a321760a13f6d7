"""Two grey images that share how bright they are, and no labels."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch

from bench.datasets.base import Dataset, Split
from bench.errors import DataMissing, UsageError
from methods.modality import ImageModality, Modality

MODALITIES: tuple[Modality, ...] = (ImageModality("left", (1, 8, 8)), ImageModality("right", (1, 12, 8)))


class Tiny:
    name = "tiny"
    sources = ("bundled",)
    presets = resources.files("tiny_plugin") / "presets"

    def choose_source(self, source: str, data_root: Path) -> str:
        if source not in ("auto", "bundled"):
            raise UsageError(f"unknown source {source!r}: tiny has bundled")
        return "bundled"

    def missing(self, source: str, data_root: Path) -> str | None:
        return None

    def modalities(self, source: str, data_root: Path) -> tuple[Modality, ...]:
        return MODALITIES

    def fingerprint(self, source: str, data_root: Path) -> str:
        return "7" * 64

    def load(self, source: str, data_root: Path) -> Dataset:
        train, test = (self._split(n, seed) for n, seed in ((64, 0), (24, 1)))
        return Dataset("tiny", "bundled", self.fingerprint(source, data_root), MODALITIES, {}, train, test)

    def _split(self, n: int, seed: int) -> Split:
        generator = torch.Generator().manual_seed(seed)
        level = torch.randint(0, 200, (n, 1, 1, 1), generator=generator)
        items = {
            m.name: (level + torch.randint(0, 50, (n, *m.shape), generator=generator)).to(torch.uint8)
            for m in MODALITIES
        }
        return Split(items, {}, MODALITIES)

    def fetch(self, data_root: Path, report: object = None) -> Path:
        raise DataMissing("tiny is made here: there is nothing to fetch")


TINY = Tiny()
