"""One classifier per modality: trained once per data fingerprint, cached, its test accuracy recorded.

Coherence is agreement of their predictions, so every table shows their accuracy on real test items beside its numbers.
Data without labels have none. There are two sets: ours, trained on degraded items too, and the published protocol's,
which the published values were measured with. Those of the bundled data come with the package, as
`scripts/ship_classifiers.py` trained them: everyone's first run starts at once, and is measured by the same networks.
"""

from __future__ import annotations

import io
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.datasets.base import Dataset, PublishedProtocol
from bench.datasets.cache import kept
from bench.evaluation.classifier_networks import CLASSIFIERS, PUBLISHED_CLASSIFIERS, Classifier, make_classifier
from bench.evaluation.classifier_training import Recipe, Shares, accuracy, constant, one_cycle, train_all
from bench.evaluation.published_weights import read_published
from bench.runs.store import cache_root, read_json, read_regular, write_atomic, write_json

log = logging.getLogger("bench")

ROBUST = Recipe("classifiers", "robust classifier", "robust classifiers", 6, CLASSIFIERS, epochs=4, schedule=one_cycle)
# The releases say nothing of how theirs were trained. Six epochs give a mean accuracy of 0.965 on bundled data, in less
# time than ours take.
PUBLISHED = Recipe(
    *("published-classifiers", "published evaluation's classifier", "classifiers of the published evaluation's kind"),
    *(1, PUBLISHED_CLASSIFIERS),
    epochs=6,
    schedule=constant,
)
TRAINED_HERE, ARCHIVE = "trained here", "the archive's weights"
SHIPPED = Path(__file__).parent / "shipped"  # of a dataset NAME in NAME/, in folders that are called as the cache's


@dataclass(frozen=True)
class Classifiers:
    """The classifiers of one dataset, and how right they are on its real test split.

    Args:
        networks: {modality: classifier in eval mode}; empty where the data have no labels.
        accuracy_by_attribute: {modality: {attribute: share}}, without attributes that no test tuple's label tells.
        origin: where their weights come from.
        published: those of the published protocol beside them; None where the data have none.
    """

    networks: Mapping[str, Classifier]
    accuracy_by_attribute: Mapping[str, Shares]
    origin: str = TRAINED_HERE
    published: Classifiers | None = None

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {share:.4f}" for name, share in self.accuracy.items())
        return f"<Classifiers, {self.origin}: test accuracy {shares}>" if self.networks else "<Classifiers: none>"

    @property
    def accuracy(self) -> dict[str, float]:
        """{modality: mean over its attributes}."""
        return {name: sum(s.values()) / len(s) for name, s in self.accuracy_by_attribute.items() if s}

    @property
    def mean_accuracy(self) -> float | None:
        """Mean over modalities; None where no label is known."""
        accuracy = self.accuracy
        return sum(accuracy.values()) / len(accuracy) if accuracy else None

    @torch.no_grad()
    def features(self, items: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features [N, F] of items [N, *] (as `Modality.to_input` gives them; images need not be clamped), per
        modality that has a classifier."""
        return {name: self.networks[name].features(x) for name, x in items.items() if name in self.networks}

    @torch.no_grad()
    def classify(self, features: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Predicted classes of those features: {attribute: {modality: [N]}}."""
        predicted: dict[str, dict[str, Tensor]] = {}
        for name, x in features.items():
            for attribute, logits in self.networks[name].classify(x).items():
                predicted.setdefault(attribute, {})[name] = logits.argmax(-1)
        return predicted


def classifiers(data: Dataset, report: Callable[[str], None] = log.info) -> Classifiers:
    """The classifiers of this data, from the cache or trained now; `report` is told what takes time.

    Safe to call from several processes at once: one trains, the others wait. A damaged cache is made again.

    Raises:
        DataMissing: the cache cannot be written, or a file of published weights cannot be used.
        BenchError: there is no classifier for a kind of modality.
    """
    if not data.attributes:
        return Classifiers({}, {})
    published = None if data.published is None else _published(data, data.published, report)
    return replace(_trained(data, ROBUST, report), published=published)


def _published(data: Dataset, protocol: PublishedProtocol, report: Callable[[str], None]) -> Classifiers:
    """With the archive's weights, where the user has them; else trained here."""
    if not protocol.weights:
        return _trained(data, PUBLISHED, report)
    networks = read_published(data, protocol.weights)
    return Classifiers(networks, {m.name: accuracy(networks[m.name], data.test, m) for m in data.modalities}, ARCHIVE)


def _trained(data: Dataset, recipe: Recipe, report: Callable[[str], None]) -> Classifiers:
    """The package's, those of the recipe's cache, or trained now."""
    what, place = recipe.name.replace("-", " "), folder_of(data, recipe)
    if (SHIPPED / place).is_dir():
        try:
            return _read(SHIPPED / place, data, recipe)
        except Exception as error:  # whatever the damage is: the recipe makes them again
            log.warning("%s: %s: the package's classifiers are damaged, and not used", SHIPPED / place, error)

    def train_into(folder: Path) -> None:
        report(f"training {len(data.modalities)} {recipe.many} on {data.name} ({data.source}), once for these data")
        write_classifiers(folder, Classifiers(*train_all(data, recipe, report)))

    return kept(cache_root() / place, f"{data.name}'s {what}", partial(_read, data=data, recipe=recipe), train_into)


def folder_of(data: Dataset, recipe: Recipe) -> Path:
    """Where the recipe's classifiers of these data lie, below the cache's root and below `SHIPPED`."""
    return Path(data.name, f"{recipe.name}-{data.fingerprint[:16]}-v{recipe.version}")


def write_classifiers(folder: Path, trained: Classifiers) -> None:
    """What `classifiers` reads: each network's weights, their accuracies and checksums."""
    checksums = {}
    for name, network in trained.networks.items():
        state = {key: value.cpu() for key, value in network.state_dict().items()}
        write_atomic(folder / f"{name}.pt", partial(torch.save, state))
        checksums[name] = zlib.crc32((folder / f"{name}.pt").read_bytes())
    write_json(folder / "meta.json", {"accuracy": trained.accuracy_by_attribute, "crc32": checksums})


def _read(folder: Path, data: Dataset, recipe: Recipe) -> Classifiers:
    """The cached classifiers. Raises if any file is not what was written."""
    meta = read_json(folder / "meta.json")
    networks: dict[str, Classifier] = {}
    for m in data.modalities:
        file = folder / f"{m.name}.pt"
        if zlib.crc32(content := read_regular(file)) != meta["crc32"][m.name]:
            raise ValueError(f"{file} has changed since it was written")
        network = make_classifier(m, data.attributes, 0, recipe.kinds)
        network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
        networks[m.name] = network.to(data.train.device).eval()
    return Classifiers(networks, {m.name: _shares(meta["accuracy"][m.name]) for m in data.modalities})


def _shares(stored: Any) -> Shares:
    return {str(attribute): float(share) for attribute, share in stored.items()}
