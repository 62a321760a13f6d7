"""Small models and data that many tests share."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from bench.datasets.base import Dataset, Split
from bench.evaluation.classifiers import Classifiers
from methods import method_class
from methods.base import Method, Modality, Streams

# Two busy processes with two threads each on two cores run many times slower than with one.
torch.set_num_threads(1)

SMALL: dict[str, Any] = {"network": "patch", "latent_dim": 4}
SMALL_PRIOR = {"width": 16, "steps": 3, "chains": 8}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def modalities(m: int = 3, shape: tuple[int, ...] = (3, 28, 28)) -> tuple[Modality, ...]:
    return tuple(Modality(f"m{i}", shape) for i in range(m))


def make_method(name: str, m: int = 3, seed: int = 0, **settings: Any) -> Method:
    """A small method with a reproducible initialisation; `prior` may be a dict of its fields."""
    cls = method_class(name)
    prior = type(cls.Config().prior)
    own = settings.pop("prior", {})
    small = SMALL_PRIOR if "steps" in {f.name for f in dataclasses.fields(prior)} else {}
    settings = {**SMALL, **settings, "prior": prior(**{**small, **own})}
    if "private_dim" in {f.name for f in dataclasses.fields(cls.Config)}:
        settings.setdefault("private_dim", 2)
    torch.manual_seed(seed)
    return cls(cls.Config(**settings), modalities(m))


def make_batch(rows: int = 8, m: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {f"m{i}": torch.rand(rows, 3, 28, 28, generator=generator) for i in range(m)}


def make_data(train: int = 96, test: int = 40, m: int = 3, classes: int = 4, seed: int = 0) -> Dataset:
    """Images whose class is a bright horizontal band, plus noise."""
    generator = torch.Generator().manual_seed(seed)

    def split(n: int) -> Split:
        labels = torch.arange(n) % classes
        items = {}
        for i in range(m):
            x = torch.randint(0, 60, (n, 3, 28, 28), generator=generator, dtype=torch.uint8)
            for row, label in enumerate(labels.tolist()):
                x[row, :, 7 * label : 7 * label + 7] += 150
            items[f"m{i}"] = x
        return Split(items, labels)

    return Dataset("toy", "bundled", f"{seed:064d}", modalities(m), classes, split(train), split(test))


class BandClassifier(nn.Module):
    """Reads the class of `make_data`'s images without training."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.features(x))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The mean brightness of each band."""
        return x.unflatten(2, (self.classes, 28 // self.classes)).mean((1, 3, 4))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        return features


def band_judge(m: int = 3, classes: int = 4) -> Classifiers:
    networks: dict[str, Any] = {f"m{i}": BandClassifier(classes) for i in range(m)}
    return Classifiers(networks, dict.fromkeys(networks, 1.0))


def predict(judge: Any, images: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    labels: dict[str, torch.Tensor] = judge.classify(judge.features(images))
    return labels


@pytest.fixture
def streams() -> Streams:
    return Streams(0)
