"""Small models and data that many tests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from methods import METHODS, PRIORS
from methods.base import Method, Streams
from methods.modality import Modality
from methods.networks import NetworkChoice
from methods.priors.base import PriorConfig
from tests.toy import image_modalities

# Two busy processes with two threads each on two cores run many times slower than with one.
torch.set_num_threads(1)

SMALL: dict[str, Any] = {"latent_dim": 4, "private_dim": 2}
SMALL_PRIOR: dict[str, dict[str, Any]] = {
    "energy": {"width": 16, "steps": 3, "chains": 8},
    "mixture": {"components": 3},
    "flow": {"couplings": 2, "width": 16},
    "denoising-energy": {"width": 16, "blocks": 1, "features": 8, "levels": 3, "density_steps": 4},
    "diffusion": {"width": 16, "blocks": 1, "features": 8, "sampler_steps": 4, "density_steps": 4},
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def small_prior(name: str, **settings: Any) -> PriorConfig:
    """Small settings of a prior that is trained with a model."""
    cls = PRIORS.load(name).Config
    assert cls is not None
    return cls(**{**SMALL_PRIOR.get(name, {}), **settings})


def make_method(
    name: str,
    m: int = 3,
    seed: int = 0,
    *,
    network: str = "patch",
    modalities: Sequence[Modality] | None = None,
    **settings: Any,
) -> Method:
    """A small method with a reproducible initialisation; `prior` may be a name, or a dict of its own prior's fields."""
    cls = METHODS.load(name)
    known = {f.name for f in dataclasses.fields(cls.Config)}
    prior = settings.pop("prior", {})
    if isinstance(prior, str):
        prior = small_prior(prior)
    elif isinstance(prior, Mapping):
        prior = small_prior(cls.Config().prior.name, **prior)
    small = {key: value for key, value in SMALL.items() if key in known}
    settings = {"network": NetworkChoice(network, network), "prior": prior, **small, **settings}  # type: ignore[arg-type]
    torch.manual_seed(seed)
    return cls(cls.Config(**settings), image_modalities(m) if modalities is None else modalities)


def make_batch(rows: int = 8, m: int = 3, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {f"m{i}": torch.rand(rows, 3, 28, 28, generator=generator) for i in range(m)}


class BandClassifiers:
    """Reads the class of `tests.toy.image_data`'s images without training."""

    origin, published = "made up", None

    def __init__(self, m: int = 3, classes: int = 4) -> None:
        self.classes = classes
        self.accuracy = {f"m{i}": 1.0 for i in range(m)}
        self.accuracy_by_attribute = {name: {"digit": 1.0} for name in self.accuracy}
        self.mean_accuracy = 1.0

    def features(self, items: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean brightness of each band."""
        return {name: x.unflatten(2, (self.classes, -1)).mean((1, 3, 4)) for name, x in items.items()}

    def classify(self, features: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {"digit": {name: x.argmax(-1) for name, x in features.items()}}


@pytest.fixture
def streams() -> Streams:
    return Streams(0)
