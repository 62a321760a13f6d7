"""What decides a run, and how it is evaluated, as frozen dataclasses; and the hashes that tell them apart."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal

from bench.config.names import without_later
from bench.errors import UsageError
from methods.base import require
from methods.modality import Modality

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")  # of what becomes part of a path


@dataclass(frozen=True)
class TrainerConfig:
    """Adam on minibatches of the shuffled training split; the last, incomplete batch of an epoch is dropped.

    Held-out tuples are not trained on; the method is measured on them while it is trained (`bench.datasets.held_out`).
    """

    epochs: int = 150  # passes over the training split
    batch_size: int = 128  # tuples of a step
    lr: float = 1e-3  # highest learning rate of the networks
    amsgrad: bool = True  # whether Adam's step never grows (Reddi et al. 2018)
    schedule: Literal["constant", "cosine"] = "constant"  # of the learning rates; cosine ends at 2 %
    warmup: float = 0.0  # share of the training over which the learning rate grows from 0
    validation: float = 0.0  # share of the training tuples that are held out
    validate_every: int = 1  # epochs from one measurement on them to the next; the last epoch has one in any case

    def __post_init__(self) -> None:
        require(
            epochs=(self.epochs, self.epochs >= 1, "≥ 1"),
            batch_size=(self.batch_size, self.batch_size >= 2, "≥ 2"),
            lr=(self.lr, self.lr > 0, "> 0"),
            warmup=(self.warmup, 0 <= self.warmup < 1, "in [0, 1)"),
            validation=(self.validation, 0 <= self.validation <= 0.5, "in [0, 0.5]"),
            validate_every=(self.validate_every, self.validate_every >= 1, "≥ 1"),
        )

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the trained parameters, as plain values.

        Not how often is measured: nothing of the training depends on it. And no share of 0, which holds out nothing: a
        run without held-out tuples is decided by the same settings as one from before there were any.
        """
        settings = dict(as_plain(self))
        del settings["validate_every"]
        if not self.validation:
            del settings["validation"]
        return settings

    def validates(self, epoch: int) -> bool:
        """Whether the method is measured at the end of this epoch, counted from 1."""
        return self.validation > 0 and (epoch % self.validate_every == 0 or epoch == self.epochs)


@dataclass(frozen=True)
class LikelihoodConfig:
    """The likelihood of one modality: `scale` and `weight` are those of `methods.modality.Modality`."""

    kind: str  # of the modality, which the data decide: "image", "text"
    likelihood: str  # family of p(x_m | z, w_m)
    scale: float  # Laplace's b or the standard deviation σ, where the family has one
    weight: float  # λ_m, factor on log p(x_m | ·) in every objective

    def __post_init__(self) -> None:
        require(
            kind=(self.kind, bool(NAME.fullmatch(self.kind)), "a word"),
            likelihood=(self.likelihood, bool(NAME.fullmatch(self.likelihood)), "a word"),
            scale=(self.scale, self.scale > 0, "> 0"),
            weight=(self.weight, self.weight > 0, "> 0"),
        )


@dataclass(frozen=True)
class Amounts:
    """How much an evaluation draws.

    Args:
        samples: prior samples; also the most test tuples that are used.
        batch_size: how many are decoded at once.
    """

    samples: int = 10_000
    batch_size: int = 1000

    def __post_init__(self) -> None:
        two = "≥ 2, as diversity and Fréchet distances are variances, which one sample does not have"
        require(
            samples=(self.samples, self.samples >= 2, two),
            batch_size=(self.batch_size, self.batch_size >= 1, "≥ 1"),
        )


@dataclass(frozen=True)
class EvaluationConfig(Amounts):
    """How finished runs are measured. No part of a run's identity: each measure's file carries its own key.

    Args:
        evaluators: the settings of every evaluator, by its name.
        priors: those of the fit of every prior that can be fitted to a trained model.
    """

    evaluators: Mapping[str, Any] = field(default_factory=dict, hash=False)
    priors: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def as_dict(self) -> dict[str, Any]:
        return dict(as_plain(self))

    def key(self, kind: Literal["evaluators", "priors"], name: str) -> str:
        """8 hex digits over what decides the measures of one evaluator, or under one fitted prior."""
        settings = {"evaluators": self.evaluators, "priors": self.priors}[kind][name]
        plain = without_later(as_plain(settings))
        return digest({"samples": self.samples, "batch_size": self.batch_size, "settings": plain})


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers, but for the seed.

    Args:
        source: where the data come from; `fingerprint` is of the data themselves.
        model: an instance of the method's `Config`.
        modalities: the likelihood of each modality, by its name.
    """

    method: str
    dataset: str
    source: str
    fingerprint: str
    preset: str
    model: Any
    trainer: TrainerConfig
    modalities: Mapping[str, LikelihoodConfig] = field(hash=False)
    evaluation: EvaluationConfig = field(hash=False)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values: dictionaries, lists, words and numbers."""
        return dict(as_plain(self))

    @property
    def hash(self) -> str:
        """The first 8 hex digits of `identity`, which paths and tables have. Of ten thousand configurations, two share
        them once in a hundred times."""
        return self.identity[:8]

    @cached_property
    def identity(self) -> str:
        """SHA-256 over what decides the trained parameters, and nothing else.

        Not the names of the preset and the source, nor the evaluation; no network of a kind that the data lack, no
        later setting at the value that older runs have, and of the trainer what is `deciding`.
        """
        parts = ("method", "dataset", "fingerprint", "model", "modalities")
        content = {part: as_plain(getattr(self, part)) for part in parts} | {"trainer": self.trainer.deciding()}
        content["model"] = without_later(content["model"])
        if isinstance(networks := content["model"].get("network"), dict):
            kinds = {modality.kind for modality in self.modalities.values()}
            content["model"]["network"] = {kind: name for kind, name in networks.items() if kind in kinds}
        return whole_digest(content)

    def with_likelihoods(self, modalities: Iterable[Modality]) -> tuple[Modality, ...]:
        """The dataset's modalities, each under the likelihood of this configuration.

        Raises UsageError where the configuration is of other modalities, or a likelihood that one does not have.
        """
        modalities = tuple(modalities)
        names = [modality.name for modality in modalities]
        if sorted(names) != sorted(self.modalities):
            ours = ", ".join(map(repr, self.modalities))
            raise UsageError(f"the run is configured for the modalities {ours}; the data have {', '.join(names)}")
        return tuple(with_likelihood(modality, self.modalities[modality.name]) for modality in modalities)


def with_likelihood(modality: Modality, config: LikelihoodConfig) -> Modality:
    """Raises UsageError for a likelihood that the kind of modality does not have."""
    try:
        return dataclasses.replace(modality, likelihood=config.likelihood, scale=config.scale, weight=config.weight)
    except ValueError as error:
        raise UsageError(f"modalities.{modality.name}: {error}") from None


def as_plain(value: Any) -> Any:
    """Dataclasses and mappings as dictionaries, tuples as lists; what is plain stays as it is."""
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: as_plain(getattr(value, name)) for name in _field_names(type(value))}
    return value


@cache
def _field_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def digest(content: Mapping[str, Any]) -> str:
    """The first 8 hex digits of `whole_digest`."""
    return whole_digest(content)[:8]


def whole_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, whatever the order of their keys: 64 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
