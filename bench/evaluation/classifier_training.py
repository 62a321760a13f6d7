"""How classifiers are trained: one for each modality, as many at once as there are cores."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event, Lock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from bench.datasets.base import Dataset, Split
from bench.evaluation.classifier_networks import UNKNOWN_CLASS, Classifier, Kinds, make_classifier
from bench.runs.machine import cores
from methods.modality import Modality

BATCH, PEAK_LR = 256, 1e-2
TURN = 20  # steps of one classifier before another has its turn: about a second
SECONDS_BETWEEN_REPORTS = 10.0  # of how far they are, as they take turns and all end late

Shares = dict[str, float]  # {attribute: share of its known labels that is predicted right}
Training = Generator[float, None, Shares]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """What decides a dataset's classifiers.

    Args:
        name: what their cache's folder is called.
        one, many: what they are called when people are told of them.
        version: of networks, recipe and files: a change of any makes other caches.
        schedule: what gives Adam its learning rate over so many steps.
    """

    name: str
    one: str
    many: str
    version: int
    kinds: Kinds
    epochs: float
    schedule: Callable[[Optimizer, int], LRScheduler]


def one_cycle(optimiser: Optimizer, steps: int) -> LRScheduler:
    """To PEAK_LR and down again: the fastest way to a good classifier."""
    return OneCycleLR(optimiser, PEAK_LR, steps)


def constant(optimiser: Optimizer, steps: int) -> LRScheduler:
    """Adam's own, 1e-3."""
    return LambdaLR(optimiser, lambda step: 1.0)


def training_loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy, mean over the known labels [N] of each attribute and summed over attributes.

    An attribute with no known label in the batch adds nothing.
    """
    losses = []
    for attribute, x in logits.items():
        total = F.cross_entropy(x, labels[attribute], ignore_index=UNKNOWN_CLASS, reduction="sum")
        losses.append(total / (labels[attribute] != UNKNOWN_CLASS).sum().clamp_min(1))
    return sum(losses[1:], start=losses[0])


def train_classifier(network: Classifier, data: Dataset, modality: Modality, seed: int, recipe: Recipe) -> Training:
    """Cross-entropy with Adam. The network is left in eval mode.

    Yields the share that is done after every TURN steps, so that others may have a turn. Returns its accuracy on the
    real test split.
    """
    split, device = data.train, data.train.device
    steps = max(1, round(recipe.epochs * network.LONGER * len(split) / BATCH))
    generator = torch.Generator(device).manual_seed(seed)
    optimiser = Adam(network.train().parameters(), fused=True)
    schedule = recipe.schedule(optimiser, steps)
    for step in range(1, steps + 1):
        rows = torch.randint(len(split), (BATCH,), generator=generator, device=device)
        items = modality.to_input(split.item(modality.name, rows))
        logits = network(network.disturb(items, generator, data.few_items))
        loss = training_loss(logits, {attribute: labels[rows] for attribute, labels in split.labels.items()})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % TURN == 0:
            yield step / steps
    return accuracy(network.eval(), data.test, modality)


def train_all(
    data: Dataset, recipe: Recipe, report: Report = lambda text: None
) -> tuple[dict[str, Classifier], dict[str, Shares]]:
    """One classifier per modality, and its accuracy. On a CPU as many at once as it has cores, each with one thread:
    networks this small gain little from a second one, and come out the same on every number of cores. They take turns,
    so that no core is left without work before the end."""
    device = data.train.device
    networks = {
        m.name: make_classifier(m, data.attributes, s, recipe.kinds).to(device) for s, m in enumerate(data.modalities)
    }
    at_once = cores() if device.type == "cpu" else 1
    threads = torch.get_num_threads()
    trainings = {m.name: train_classifier(networks[m.name], data, m, s, recipe) for s, m in enumerate(data.modalities)}
    turns = Turns(trainings, recipe, report)
    with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            working = [pool.submit(turns.take) for _ in range(at_once)]
            for outcome in as_completed(working):
                outcome.result()
        finally:
            turns.cancelled.set()  # also by Ctrl-C, which comes to this thread alone
            torch.set_num_threads(threads)  # some libraries take the last word of any thread for all
    return networks, {name: turns.accuracies[name] for name in networks}


class Turns:
    """Trainings that several threads share: what does not wait has a thread of its own. `report` is told how far they
    are, by whichever thread knows, one at a time."""

    def __init__(self, trainings: Mapping[str, Training], recipe: Recipe, report: Report) -> None:
        self.waiting, self.recipe, self.report = deque(trainings.items()), recipe, report
        self.shares = dict.fromkeys(trainings, 0.0)
        self.accuracies: dict[str, Shares] = {}
        self.cancelled, self.lock = Event(), Lock()
        self.started = self.reported = time.monotonic()

    def take(self) -> None:
        """Gives each training a turn and puts it back, until none waits or they are `cancelled`."""
        while not self.cancelled.is_set():
            try:
                name, training = self.waiting.popleft()
            except IndexError:
                return
            try:
                share = next(training)
            except StopIteration as end:
                self._ended(name, end.value)
            else:
                self.waiting.append((name, training))
                self._advanced(name, share)

    def _advanced(self, name: str, share: float) -> None:
        with self.lock:
            self.shares[name] = share
            now, done = time.monotonic(), sum(self.shares.values()) / len(self.shares)
            if now - self.reported > SECONDS_BETWEEN_REPORTS:
                self.reported = now
                left = (now - self.started) * (1 - done) / done
                self.report(f"{self.recipe.many}: {100 * done:.0f} % of the training is done, about {left:.0f} s left")

    def _ended(self, name: str, shares: Shares) -> None:
        with self.lock:
            self.shares[name], self.accuracies[name] = 1.0, shares
            self.reported = time.monotonic()
            number = f"{len(self.accuracies)} of {len(self.shares)}"
            right = f"test accuracy {sum(shares.values()) / len(shares):.4f}" if shares else "no label to test it with"
            self.report(f"{self.recipe.one} {name}, {number}: {right}, {self.reported - self.started:.0f} s")


@torch.no_grad()
def accuracy(network: Classifier, split: Split, modality: Modality, batch_size: int = 2000) -> Shares:
    """Of each attribute, the share of its known labels that is predicted right; without attributes that have none."""
    hits = dict.fromkeys(split.labels, 0)
    for start in range(0, len(split), batch_size):
        rows = slice(start, start + batch_size)
        for attribute, logits in network(modality.to_input(split.item(modality.name, rows))).items():
            hits[attribute] += int((logits.argmax(-1) == split.labels[attribute][rows]).sum())
    known = {attribute: int((labels != UNKNOWN_CLASS).sum()) for attribute, labels in split.labels.items()}
    return {attribute: hits[attribute] / n for attribute, n in known.items() if n}
