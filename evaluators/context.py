"""What an evaluator sees of a trained model: the model, the tuples, the classifiers, and their predictions."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from evaluators.base import Classifiers, Labels, PublishedClassifiers, check_finite
from methods.base import Batch, Latents, Method, Streams

Source = str | tuple[str, ...]  # where classified items come from: see `Context.predictions`
SAMPLED = ("prior", "base")  # the sources that need no tuples
FEATURES_OF = ("real", "prior", "aggregate")  # whose features are kept, besides those generated from one modality
PUBLISHED_OF = ("prior", "base", "aggregate")  # what the published classifiers are asked of, besides the same


class Tuples(Protocol):
    """A split of a dataset, on the method's device."""

    @property
    def labels(self) -> Mapping[str, Tensor]:
        """{attribute: [N]}, −1 where it is not known."""

    @property
    def same(self) -> Mapping[str, Tensor]:
        """{modality: [N]}, equal where items show the same thing; of modalities that are not named equal items do."""

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor | slice) -> Batch: ...


@dataclass(frozen=True)
class Predictions:
    """What the classifiers say of N items of each modality."""

    labels: Labels
    features: Mapping[str, Tensor]  # {modality: [N, F]}; empty where they were not kept
    published: Labels  # what the published classifiers say of them; empty where they were not asked


@dataclass(frozen=True)
class Context:
    """A trained method in eval mode, tuples on its device, the classifiers, and the seed of all that is drawn.

    Args:
        attributes: {attribute: number of classes}; empty without labels.
        samples: number of prior samples; held-out tuples beyond this many are left out as well.
        batch_size: items that are decoded at once.
        published: the classifiers of the published protocol; None where the dataset has none.
    """

    method: Method
    train: Tuples
    test: Tuples
    classifiers: Classifiers
    attributes: Mapping[str, int]
    seed: int
    samples: int
    batch_size: int
    published: PublishedClassifiers | None = None
    # Not a field of the constructor, so that `dataclasses.replace` starts with an empty one.
    _predictions: dict[Source, Predictions] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def modalities(self) -> list[str]:
        return list(self.method.modalities)

    @property
    def device(self) -> torch.device:
        return next(self.method.parameters()).device

    @property
    def tuples(self) -> int:
        return min(len(self.test), self.samples)

    def streams(self, purpose: str) -> Streams:
        """Streams of the evaluation's seed and the purpose alone, so that no measure shifts another's draws."""
        return Streams(zlib.crc32(f"{self.seed} {purpose}".encode()), self.device)

    def rows(self) -> Tensor:
        """The held-out rows that are used: the same random subset, in the same order, each time."""
        # A test split may be sorted by class, so its first rows are no sample of it.
        order = torch.randperm(len(self.test), generator=torch.Generator().manual_seed(0))[: self.tuples]
        return order.to(self.device)

    def labels(self) -> dict[str, Tensor]:
        """The true labels of `rows`, −1 where not known: {attribute: [N]}, less attributes of which none is."""
        labels = {attribute: labels[self.rows()] for attribute, labels in self.test.labels.items()}
        return {attribute: y for attribute, y in labels.items() if (y >= 0).any()}

    def distinct(self) -> dict[str, Tensor]:
        """{modality: where in `rows` an item shows what none before it does: ascending, [n]}.

        Real items are no independent draws where some show one thing: crops of one digit, or the photograph of several
        captions. Equal texts are independent, as short sentences are few.
        """
        given, modalities = self.test.same, self.method.modalities
        shown: dict[str, list[object]] = {m: same[self.rows().to(same.device)].tolist() for m, same in given.items()}
        compared = [name for name, m in modalities.items() if name not in given and m.kind != "text"]
        for batch in self.batches() if compared else ():
            for name in compared:
                digests = [hashlib.sha256(row.numpy().tobytes()).digest() for row in batch[name].cpu()]
                shown.setdefault(name, []).extend(digests)
        return {name: _firsts(shown.get(name, range(self.tuples))) for name in modalities}

    def batches(self, tuples: int | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """Held-out batches in the order of `rows`, at most `tuples` of them all."""
        for rows in self.rows()[:tuples].split(batch_size or self.batch_size):
            yield self.test.batch(rows)

    def predictions(self, source: Source) -> Predictions:
        """What the classifiers say of items from `source`. Each source is decoded and classified once for all measures.

        Args:
            source: "real" held-out tuples; samples of the "prior" or its "base" p0; the "aggregate" posterior, z
                encoded from held-out tuples with private latents from their prior; or modalities S, from which z is
                encoded. One modality generates all; several generate those outside S. The features of these, and of
                a p0 that is not the prior, are not kept; and of these and of real items the published classifiers are
                not asked.

        Raises:
            FloatingPointError: decoded items are not finite.
        """
        source = self._drawn(source)
        self.predict_all([source])
        return self._predictions[source]

    def _drawn(self, source: Source) -> Source:
        """A p0 that is the prior itself has the same samples."""
        same = self.method.samples_by_prior and not self.method.prior.has_base()
        return "prior" if source == "base" and same else source

    @torch.no_grad()
    def predict_all(self, sources: Sequence[Source]) -> None:
        """As `predictions`, of several sources together, so that an encoder sees each batch once."""
        parts: dict[Source, list[Predictions]] = {
            s: [] for s in map(self._drawn, sources) if s not in self._predictions
        }
        for source, items in self.items(list(parts)):
            parts[source].append(self._classified(items, source))
        for source, pieces in parts.items():
            self._predictions[source] = _joined(pieces)

    def labels_by(self, classifiers: Classifiers, source: Source) -> Labels:
        """The labels in `predictions` that one of the context's two sets of classifiers gave."""
        found = self.predictions(source)
        return found.published if classifiers is self.published else found.labels

    def _classified(self, items: Batch, source: Source) -> Predictions:
        one = isinstance(source, tuple) and len(source) == 1
        asked = self.published if one or source in PUBLISHED_OF else None
        features = self.classifiers.features(items)
        return Predictions(
            labels=self.classifiers.classify(features),
            features=features if one or source in FEATURES_OF else {},
            published={} if asked is None else asked.classify(asked.features(items)),
        )

    @torch.no_grad()
    def items(self, sources: Sequence[Source]) -> Iterator[tuple[Source, Batch]]:
        """Batches of the items that `predictions` are of: the same ones each time, those of a source in order."""
        names = self.modalities
        for source, batch, latents in self.latents(sources):
            several = isinstance(source, tuple) and len(source) > 1
            targets = [name for name in names if name not in source] if several else names
            yield source, batch if latents is None else self.generate(latents, targets)

    @torch.no_grad()
    def latents(self, sources: Sequence[Source]) -> Iterator[tuple[Source, Batch, Latents | None]]:
        """What `items` are decoded from, with the held-out batch that it is encoded from: empty for samples of a prior.
        Real tuples have no latents."""
        for sampled in [name for name in SAMPLED if name in sources]:
            sample = self.method.sample_prior if sampled == "prior" else self.method.sample_base
            # So a plain p0 has the same samples under the model's own prior and under those that are fitted to it.
            plain = self.method.samples_by_prior and self.method.prior.base_is_plain
            streams = self.streams("prior" if plain else sampled)
            for start in range(0, self.samples, self.batch_size):
                yield sampled, {}, sample(min(self.batch_size, self.samples - start), streams)
        from_tuples = {s: self.streams("+".join(s) if isinstance(s, tuple) else s) for s in sources if s not in SAMPLED}
        with self.method.encoding_once():
            for batch in self.batches() if from_tuples else ():
                for source, streams in from_tuples.items():
                    yield source, batch, None if source == "real" else self._infer(batch, source, streams)

    def decode(self, latents: Latents, names: Sequence[str]) -> dict[str, Tensor]:
        """What the named modalities' decoders give, the parameters of their likelihoods: {modality: [N, *]}.

        Raises FloatingPointError where they are not finite.
        """
        parameters = self.method.decode(latents, names)
        check_finite(parameters)
        return parameters

    def read(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The items that those parameters stand for: {modality: [N, *]}."""
        return {name: self.method.modalities[name].to_item(x) for name, x in parameters.items()}

    def generate(self, latents: Latents, names: Sequence[str]) -> dict[str, Tensor]:
        """The items of the named modalities that are decoded: `read` of `decode`."""
        return self.read(self.decode(latents, names))

    def _infer(self, batch: Batch, source: Source, streams: Streams) -> Latents:
        """z ~ q(z | x_S) of a batch; S is everything for the aggregate posterior, whose private latents are p(w)'s."""
        if isinstance(source, tuple):
            return self.method.infer(batch, source, streams)
        return self.method.with_private(self.method.infer(batch, self.modalities, streams).z, streams)


def _firsts(values: Sequence[object]) -> Tensor:
    """Where each value is for the first time: ascending."""
    first: dict[object, int] = {}
    for position, value in enumerate(values):
        first.setdefault(value, position)
    return torch.tensor(list(first.values()))


def _joined(pieces: Sequence[Predictions]) -> Predictions:
    """One after another."""
    labels, published = (_joined_labels(parts) for parts in ([p.labels for p in pieces], [p.published for p in pieces]))
    features = {name: torch.cat([piece.features[name] for piece in pieces]) for name in pieces[0].features}
    return Predictions(labels, features, published)


def _joined_labels(pieces: Sequence[Labels]) -> Labels:
    return {
        attribute: {name: torch.cat([piece[attribute][name] for piece in pieces]) for name in by_modality}
        for attribute, by_modality in pieces[0].items()
    }
