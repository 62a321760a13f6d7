"""One classifier per modality: trained once per data fingerprint, cached, its test accuracy recorded.

They are the judges of coherence, so every table shows their accuracy on real test images beside its numbers.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.datasets.base import Dataset, Split
from bench.runs.store import (
    cache_root,
    exclusive,
    keeping,
    new_directory,
    read_json,
    remove_directory,
    write_atomic,
    write_json,
)
from bench.training.acceleration import cores
from methods.base import Modality

log = logging.getLogger("bench")

VERSION = 5  # of architecture and recipe: a change of either makes other classifiers
EPOCHS, BATCH, PEAK_LR = 4.0, 256, 1e-2
TURN = 20  # steps of one classifier before another has its turn: about a second

Training = Generator[None, None, float]


class DigitClassifier(nn.Sequential):
    """Two strided convolutions and a hidden layer: 211,482 parameters for 3×28×28 and ten classes.

    The layout is that of the published evaluations' classifiers, but wider, and normalised instead of regularised by
    heavy dropout: it learns digits over photographs in seconds, where theirs stays below 0.95 in that time.
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        channels, height, width = shape
        super().__init__(
            nn.Conv2d(channels, 16, 4, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * (height // 4) * (width // 4), 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Linear(128, classes),
        )

    def features(self, x: Tensor) -> Tensor:
        """The last hidden activations, [N, 3, 28, 28] -> [N, 128]."""
        for layer in list(self)[:-1]:
            x = layer(x)
        return x

    def classify(self, features: Tensor) -> Tensor:
        """Logits of those activations: [N, 128] -> [N, classes]."""
        logits: Tensor = self[-1](features)
        return logits


@dataclass(frozen=True)
class Classifiers:
    """`networks` {modality: classifier in eval mode} and their `accuracy` {modality: share} on the real test split."""

    networks: dict[str, DigitClassifier]
    accuracy: dict[str, float]

    @property
    def mean_accuracy(self) -> float:
        return sum(self.accuracy.values()) / len(self.accuracy)

    @torch.no_grad()
    def features(self, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Features [N, F] of images [N, *shape] in [0, 1] (not clamped), per modality."""
        return {name: self.networks[name].features(x) for name, x in images.items()}

    @torch.no_grad()
    def classify(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Predicted labels [N] of those features, per modality."""
        return {name: self.networks[name].classify(x).argmax(-1) for name, x in features.items()}


def neighbours(size: int, device: torch.device) -> Tensor:
    """[size, size]: times a vector, the mean of each element and the two beside it, the border's counted twice.

    A blur by two such products is six times faster on a CPU than one by pooling.
    """
    i = torch.arange(size, device=device)
    beside = torch.stack([i - 1, i, i + 1]).clamp(0, size - 1)
    return F.one_hot(beside, size).float().mean(0)


def degrade(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, loss of contrast and noise, each of random strength and on half of the images [N, C, H, W].

    What is judged is blurred and pale. A classifier that has seen sharp images alone misreads digits that every person
    reads: at 40 % of the contrast its accuracy is near chance, and coherence would measure sharpness.
    """

    def strength() -> Tensor:
        draw = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)
        return (2 * draw - 1).clamp_min(0)

    rows, columns = (neighbours(size, images.device) for size in images.shape[2:])
    blurred = rows @ images @ columns.T
    images = torch.lerp(images, blurred, strength())
    images = torch.lerp(images, images.mean((2, 3), keepdim=True), 0.7 * strength())
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return torch.addcmul(images, strength(), noise, value=0.1)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Small random rotations, scalings, shears and shifts of images [N, C, H, W]."""

    def uniform(limit: float, *shape: int) -> Tensor:
        draw = torch.rand(len(images), *shape, generator=generator, device=images.device)
        return (2 * draw - 1) * limit

    angle, scale, shear, shift = uniform(math.radians(12)), 1 + uniform(0.1), uniform(0.2), uniform(2.5 / 14, 2)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [torch.stack([cos, shear - sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def initial(data: Dataset, modality: Modality, seed: int) -> DigitClassifier:
    """An untrained classifier on the data's device, a function of the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DigitClassifier(modality.shape, data.classes).to(data.train.labels.device)


def train_classifier(network: DigitClassifier, data: Dataset, modality: Modality, seed: int) -> Training:
    """Cross-entropy with Adam under a one-cycle learning rate, for EPOCHS. The network is left in eval mode.

    Yields after every TURN steps, so that others may have a turn. Returns its accuracy on the real test split.
    """
    split, device = data.train, data.train.labels.device
    steps = max(1, round(EPOCHS * len(split) / BATCH))
    generator = torch.Generator(device).manual_seed(seed)
    optimiser = torch.optim.Adam(network.train().parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LR, steps)
    for step in range(1, steps + 1):
        rows = torch.randint(len(split), (BATCH,), generator=generator, device=device)
        images = split.items[modality.name][rows].float() / 255
        if data.few_items:
            images = augment(images, generator)
        loss = F.cross_entropy(network(degrade(images, generator)), split.labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % TURN == 0:
            yield
    return accuracy(network.eval(), data.test, modality.name)


def train_all(data: Dataset, report: Callable[[str], None]) -> Classifiers:
    """One classifier per modality. On a CPU as many at once as it has cores, each with one thread: networks this small
    gain little from a second one, and come out the same on every number of cores. They take turns, so that no core is
    left without work before the end."""
    networks = {m.name: initial(data, m, seed) for seed, m in enumerate(data.modalities)}
    at_once = cores() if data.train.labels.device.type == "cpu" else 1
    threads, cancelled = torch.get_num_threads(), Event()
    waiting = deque((m.name, train_classifier(networks[m.name], data, m, s)) for s, m in enumerate(data.modalities))
    accuracies: dict[str, float] = {}
    with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            working = [pool.submit(take_turns, waiting, accuracies, cancelled) for _ in range(at_once)]
            for outcome in as_completed(working):
                outcome.result()
        finally:
            cancelled.set()  # also by Ctrl-C, which comes to this thread alone
            torch.set_num_threads(threads)  # some libraries take the last word of any thread for all
    for name in networks:
        report(f"classifier {name}: test accuracy {accuracies[name]:.4f}")
    return Classifiers(networks, {name: accuracies[name] for name in networks})


def take_turns(waiting: deque[tuple[str, Training]], accuracies: dict[str, float], cancelled: Event) -> None:
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
def accuracy(network: nn.Module, split: Split, modality: str, batch_size: int = 2000) -> float:
    hits = 0
    for start in range(0, len(split), batch_size):
        rows = slice(start, start + batch_size)
        predicted = network(split.items[modality][rows].float() / 255).argmax(-1)
        hits += int((predicted == split.labels[rows]).sum())
    return hits / len(split)


def classifiers(data: Dataset, report: Callable[[str], None] = log.info) -> Classifiers:
    """The classifiers of this data, from the cache or trained now; `report` is told what takes time.

    Safe to call from several processes at once: one trains, the others wait. A damaged cache is trained anew.

    Raises DataMissing when the cache cannot be written.
    """
    path = cache_root() / data.name / f"classifiers-{data.fingerprint[:16]}-v{VERSION}"
    with keeping(f"{data.name}'s classifiers"), exclusive(path.with_suffix(".lock")):
        if path.exists() and (found := _read(path, data)):
            return found
        report(f"training {len(data.modalities)} classifiers on {data.name} ({data.source}), once for these data")
        trained = train_all(data, report)
        with new_directory(path) as folder:
            checksums = {}
            for name, network in trained.networks.items():
                state = {key: value.cpu() for key, value in network.state_dict().items()}
                write_atomic(folder / f"{name}.pt", partial(torch.save, state))
                checksums[name] = zlib.crc32((folder / f"{name}.pt").read_bytes())
            write_json(folder / "meta.json", {"accuracy": trained.accuracy, "crc32": checksums})
        return trained


def _read(path: Path, data: Dataset) -> Classifiers | None:
    """The cached classifiers; None, and the cache gone, if any file is not what was written."""
    try:
        meta = read_json(path / "meta.json")
        networks: dict[str, DigitClassifier] = {}
        for m in data.modalities:
            file = path / f"{m.name}.pt"
            if zlib.crc32(file.read_bytes()) != meta["crc32"][m.name]:
                raise ValueError(f"{file} has changed since it was written")
            network = DigitClassifier(m.shape, data.classes)
            network.load_state_dict(torch.load(file, weights_only=True))
            networks[m.name] = network.to(data.train.labels.device).eval()
        return Classifiers(networks, {m.name: float(meta["accuracy"][m.name]) for m in data.modalities})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        log.warning("classifier cache %s is damaged (%s); training again", path, error)
        remove_directory(path)
        return None
