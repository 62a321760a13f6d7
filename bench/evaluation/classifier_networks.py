"""The classifiers' networks: one class for each kind of modality, with one head for each attribute."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from bench.errors import BenchError, unknown
from bench.evaluation.degradation import augment, degrade, forget_words
from methods.modality import PAD, Modality, TextModality

HIDDEN = 128  # features of every classifier
LARGE = 48  # pixels of an image's shorter side, from which on it is classified as a large one
UNKNOWN_CLASS = -1  # the label of a tuple whose class is not known


class Classifier(nn.Module):
    """Layers that end in `HIDDEN` features, and a linear head on them for each attribute.

    Args:
        layers: items [N, *], as `Modality.to_input` gives them, -> features [N, HIDDEN].
        attributes: {attribute: number of classes}.
    """

    LONGER: ClassVar[int] = 1  # times the recipe's epochs, for who learns slowly

    def __init__(self, layers: Sequence[nn.Module], attributes: Mapping[str, int]) -> None:
        super().__init__()
        self.attributes = tuple(attributes)
        self.body = nn.Sequential(*layers)
        # A list: an attribute may have any name, a module may not.
        self.heads = nn.ModuleList(nn.Linear(HIDDEN, classes) for classes in attributes.values())

    def forward(self, items: Tensor) -> dict[str, Tensor]:
        """Logits {attribute: [N, classes]}."""
        return self.classify(self.features(items))

    def features(self, items: Tensor) -> Tensor:
        """The last hidden activations: [N, *] -> [N, HIDDEN]."""
        return cast(Tensor, self.body(items))

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        """Logits of those activations: {attribute: [N, classes]}."""
        return {attribute: head(features) for attribute, head in zip(self.attributes, self.heads, strict=True)}

    @staticmethod
    def disturb(items: Tensor, generator: torch.Generator, few_items: bool) -> Tensor:
        """Items [N, *] as a classifier of generated ones should have seen them in training.

        Args:
            few_items: as in `Dataset`.
        """
        raise NotImplementedError


class ImageClassifier(Classifier):
    """Two strided convolutions and a hidden layer: 211,482 parameters for 3×28×28 and ten classes.

    The layout is that of the published evaluations' classifiers, but wider, and normalised instead of regularised by
    heavy dropout: it learns digits over photographs in seconds, degraded ones too.
    """

    def __init__(self, modality: Modality, attributes: Mapping[str, int]) -> None:
        channels, height, width = modality.shape
        layers = [
            nn.Conv2d(channels, 16, 4, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * (height // 4) * (width // 4), HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
        ]
        super().__init__(layers, attributes)

    @staticmethod
    def disturb(items: Tensor, generator: torch.Generator, few_items: bool) -> Tensor:
        return degrade(augment(items, generator) if few_items else items, generator)


class LargeImageClassifier(Classifier):
    """The same for images that are not thumbnails, with one more convolution: 571,380 parameters for 3×64×64 and four
    attributes of nine classes. A crown's colour is a few pixels in another place each time: that takes longer to learn
    than a digit."""

    LONGER = 4

    def __init__(self, modality: Modality, attributes: Mapping[str, int]) -> None:
        channels, height, width = modality.shape
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((channels, 16, 32, 64)):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        features = 64 * (height // 8) * (width // 8)
        layers += [nn.Flatten(), nn.Linear(features, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU()]
        super().__init__(layers, attributes)

    @staticmethod
    def disturb(items: Tensor, generator: torch.Generator, few_items: bool) -> Tensor:
        return degrade(augment(items, generator) if few_items else items, generator, blurs=4)


def image_classifier(modality: Modality, attributes: Mapping[str, int]) -> Classifier:
    """By the size of the images."""
    large = min(modality.shape[1:]) >= LARGE
    return (LargeImageClassifier if large else ImageClassifier)(modality, attributes)


class PublishedClassifier(Classifier):
    """The digit classifiers of the published evaluations (the MoPoE, MVTCAE and MMVAE+ releases): 130,568 parameters
    for 3×28×28 and ten classes."""

    def __init__(self, modality: Modality, attributes: Mapping[str, int]) -> None:
        channels, height, width = modality.shape
        layers = [
            nn.Conv2d(channels, 10, 4, stride=2, padding=1),
            Dropout(),
            nn.ReLU(),
            nn.Conv2d(10, 20, 4, stride=2, padding=1),
            Dropout(),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(20 * (height // 4) * (width // 4), HIDDEN),
            Dropout(),
            nn.ReLU(),
        ]
        super().__init__(layers, attributes)

    @staticmethod
    def disturb(items: Tensor, generator: torch.Generator, few_items: bool) -> Tensor:
        """As they are: clean images are the protocol."""
        return items


class Dropout(nn.Module):
    """In training, whole channels of [N, C, *] are 0 with probability 1/2, and the others twice as large.

    Its draws are those of a generator of its own. All threads share torch's, and classifiers are trained in several.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand(x.shape[:2], generator=self.generator) < 0.5
        return x * kept.to(x).mul(2).view(*kept.shape, *(1,) * (x.ndim - 2))


class TextClassifier(Classifier):
    """An embedding, one convolution over the tokens, its maximum over time and a hidden layer."""

    def __init__(self, modality: Modality, attributes: Mapping[str, int]) -> None:
        words = len(cast(TextModality, modality).vocabulary)
        layers = [
            nn.Embedding(words, 64, padding_idx=PAD),
            ChannelsFirst(),
            nn.Conv1d(64, HIDDEN, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool1d(1),
            nn.Flatten(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
        ]
        super().__init__(layers, attributes)

    @staticmethod
    def disturb(items: Tensor, generator: torch.Generator, few_items: bool) -> Tensor:
        return forget_words(items, generator)


class VectorClassifier(Classifier):
    """Two hidden layers. It sees numbers with noise of a tenth of their spread, as generated ones are not exact."""

    def __init__(self, modality: Modality, attributes: Mapping[str, int]) -> None:
        layers = []
        for inputs in (modality.shape[0], HIDDEN):
            layers += [nn.Linear(inputs, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU()]
        super().__init__(layers, attributes)

    @staticmethod
    def disturb(items: Tensor, generator: torch.Generator, few_items: bool) -> Tensor:
        noise = torch.randn(items.shape, generator=generator, device=items.device)
        return items + 0.1 * items.std(0, correction=0) * noise


class ChannelsFirst(nn.Module):
    """[N, T, C] -> [N, C, T]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


Kinds = Mapping[str, Callable[[Modality, Mapping[str, int]], Classifier]]  # kind of modality -> its classifier
CLASSIFIERS: Kinds = {"image": image_classifier, "text": TextClassifier, "vector": VectorClassifier}
PUBLISHED_CLASSIFIERS: Kinds = {"image": PublishedClassifier}


def make_classifier(
    modality: Modality, attributes: Mapping[str, int], seed: int, kinds: Kinds = CLASSIFIERS
) -> Classifier:
    """An untrained classifier, a function of the seed alone. Raises BenchError for a kind that has none."""
    if modality.kind not in kinds:
        raise BenchError(f"modality {modality.name!r}: {unknown('kind of classifier', modality.kind, kinds)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kinds[modality.kind](modality, attributes)
