"""One classifier per modality: trained once per data fingerprint, cached, its test accuracy recorded.

Coherence is agreement of their predictions, so every table shows their accuracy on real test items beside its numbers.
Data without labels have none.
"""

from __future__ import annotations

import io
import logging
import zlib
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.datasets.base import Dataset, Split
from bench.datasets.cache import kept
from bench.evaluation.classifier_networks import UNKNOWN_CLASS, Classifier, make_classifier
from bench.runs.machine import cores
from bench.runs.store import cache_root, read_json, read_regular, write_atomic, write_json
from methods.modality import Modality

log = logging.getLogger("bench")

VERSION = 6  # of architecture, recipe and files: a change of any makes other caches
EPOCHS, BATCH, PEAK_LR = 4.0, 256, 1e-2
TURN = 20  # steps of one classifier before another has its turn: about a second

Shares = dict[str, float]  # {attribute: share of its known labels that is predicted right}
Training = Generator[None, None, Shares]


@dataclass(frozen=True)
class Classifiers:
    """The classifiers of one dataset, and how right they are on its real test split.

    Args:
        networks: {modality: classifier in eval mode}; empty where the data have no labels.
        accuracy_by_attribute: {modality: {attribute: share}}, without attributes that no test tuple's label tells.
    """

    networks: Mapping[str, Classifier]
    accuracy_by_attribute: Mapping[str, Shares]

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


def training_loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy, mean over the known labels [N] of each attribute and summed over attributes.

    An attribute with no known label in the batch adds nothing.
    """
    losses = []
    for attribute, x in logits.items():
        total = F.cross_entropy(x, labels[attribute], ignore_index=UNKNOWN_CLASS, reduction="sum")
        losses.append(total / (labels[attribute] != UNKNOWN_CLASS).sum().clamp_min(1))
    return sum(losses[1:], start=losses[0])


def train_classifier(network: Classifier, data: Dataset, modality: Modality, seed: int) -> Training:
    """Cross-entropy with Adam under a one-cycle learning rate, for EPOCHS. The network is left in eval mode.

    Yields after every TURN steps, so that others may have a turn. Returns its accuracy on the real test split.
    """
    split, device = data.train, data.train.device
    steps = max(1, round(EPOCHS * len(split) / BATCH))
    generator = torch.Generator(device).manual_seed(seed)
    optimiser = torch.optim.Adam(network.train().parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LR, steps)
    for step in range(1, steps + 1):
        rows = torch.randint(len(split), (BATCH,), generator=generator, device=device)
        items = modality.to_input(split.items[modality.name][rows])
        logits = network(network.disturb(items, generator, data.few_items))
        loss = training_loss(logits, {attribute: labels[rows] for attribute, labels in split.labels.items()})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % TURN == 0:
            yield
    return accuracy(network.eval(), data.test, modality)


def train_all(data: Dataset, report: Callable[[str], None]) -> Classifiers:
    """One classifier per modality. On a CPU as many at once as it has cores, each with one thread: networks this small
    gain little from a second one, and come out the same on every number of cores. They take turns, so that no core is
    left without work before the end."""
    device = data.train.device
    networks = {m.name: make_classifier(m, data.attributes, s).to(device) for s, m in enumerate(data.modalities)}
    at_once = cores() if device.type == "cpu" else 1
    threads, cancelled = torch.get_num_threads(), Event()
    waiting = deque((m.name, train_classifier(networks[m.name], data, m, s)) for s, m in enumerate(data.modalities))
    accuracies: dict[str, Shares] = {}
    with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            working = [pool.submit(take_turns, waiting, accuracies, cancelled) for _ in range(at_once)]
            for outcome in as_completed(working):
                outcome.result()
        finally:
            cancelled.set()  # also by Ctrl-C, which comes to this thread alone
            torch.set_num_threads(threads)  # some libraries take the last word of any thread for all
    trained = Classifiers(networks, {name: accuracies[name] for name in networks})
    for name, share in trained.accuracy.items():
        report(f"classifier {name}: test accuracy {share:.4f}")
    return trained


def take_turns(waiting: deque[tuple[str, Training]], accuracies: dict[str, Shares], cancelled: Event) -> None:
    """Gives each training a turn and puts it back, until none waits or it is `cancelled`.

    Several threads may share `waiting`: what does not wait then has a thread of its own.
    """
    while not cancelled.is_set():
        try:
            name, training = waiting.popleft()
        except IndexError:
            return
        try:
            next(training)
        except StopIteration as end:
            accuracies[name] = end.value
        else:
            waiting.append((name, training))


@torch.no_grad()
def accuracy(network: Classifier, split: Split, modality: Modality, batch_size: int = 2000) -> Shares:
    """Of each attribute, the share of its known labels that is predicted right; without attributes that have none."""
    hits = dict.fromkeys(split.labels, 0)
    for start in range(0, len(split), batch_size):
        rows = slice(start, start + batch_size)
        for attribute, logits in network(modality.to_input(split.items[modality.name][rows])).items():
            hits[attribute] += int((logits.argmax(-1) == split.labels[attribute][rows]).sum())
    known = {attribute: int((labels != UNKNOWN_CLASS).sum()) for attribute, labels in split.labels.items()}
    return {attribute: hits[attribute] / n for attribute, n in known.items() if n}


def classifiers(data: Dataset, report: Callable[[str], None] = log.info) -> Classifiers:
    """The classifiers of this data, from the cache or trained now; `report` is told what takes time.

    Safe to call from several processes at once: one trains, the others wait. A damaged cache is made again.

    Raises:
        DataMissing: the cache cannot be written.
        BenchError: there is no classifier for a kind of modality.
    """
    if not data.attributes:
        return Classifiers({}, {})

    def train_into(folder: Path) -> None:
        report(f"training {len(data.modalities)} classifiers on {data.name} ({data.source}), once for these data")
        _write(folder, train_all(data, report))

    path = cache_root() / data.name / f"classifiers-{data.fingerprint[:16]}-v{VERSION}"
    return kept(path, f"{data.name}'s classifiers", partial(_read, data=data), train_into)


def _write(folder: Path, trained: Classifiers) -> None:
    checksums = {}
    for name, network in trained.networks.items():
        state = {key: value.cpu() for key, value in network.state_dict().items()}
        write_atomic(folder / f"{name}.pt", partial(torch.save, state))
        checksums[name] = zlib.crc32((folder / f"{name}.pt").read_bytes())
    write_json(folder / "meta.json", {"accuracy": trained.accuracy_by_attribute, "crc32": checksums})


def _read(folder: Path, data: Dataset) -> Classifiers:
    """The cached classifiers. Raises if any file is not what was written."""
    meta = read_json(folder / "meta.json")
    networks: dict[str, Classifier] = {}
    for m in data.modalities:
        file = folder / f"{m.name}.pt"
        if zlib.crc32(content := read_regular(file)) != meta["crc32"][m.name]:
            raise ValueError(f"{file} has changed since it was written")
        network = make_classifier(m, data.attributes, seed=0)
        network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
        networks[m.name] = network.to(data.train.device).eval()
    return Classifiers(networks, {m.name: _shares(meta["accuracy"][m.name]) for m in data.modalities})


def _shares(stored: Any) -> Shares:
    return {str(attribute): float(share) for attribute, share in stored.items()}
