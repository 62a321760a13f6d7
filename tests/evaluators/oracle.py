"""A model that knows the test items, stand-ins for classifiers, and the context of an evaluation."""

import torch
import torch.nn.functional as F
from torch import nn

from evaluators import EVALUATORS
from evaluators.context import Context
from methods.base import Latents, Method
from methods.priors.factorised import NormalPrior, NormalPriorConfig
from tests.conftest import BandClassifiers
from tests.toy import COLOURS, HETERO_ATTRIBUTES, HETERO_MODALITIES, SHAPES, VOCABULARY

CLASSES = 4


class Oracle(Method):
    """Knows the test items: z is a row's number, and decoding returns that row's true items."""

    def __init__(self, data):
        super().__init__(None, data.modalities)
        self.data = data
        self.prior = NormalPrior(NormalPriorConfig(), 1)
        self.anchor = nn.Parameter(torch.zeros(()))  # a method is where its parameters are

    def loss(self, batch, streams, progress=1.0):
        raise NotImplementedError

    def infer(self, batch, given, streams):
        name = given[0]
        known = self.modalities[name].to_input(self.data.test.items[name])
        rows = [(known == x).flatten(1).all(1).nonzero()[0, 0] for x in batch[name]]
        return Latents(torch.stack(rows).float()[:, None])

    def decode(self, latents, names):
        rows = latents.z[:, 0].long()
        items = {name: self.modalities[name].to_input(self.data.test.items[name][rows]) for name in names}
        # An image is the location of its own likelihood; token ids are their logits' most likely ones.
        return {
            name: F.one_hot(x, len(VOCABULARY)).float() if self.modalities[name].kind == "text" else x
            for name, x in items.items()
        }

    def sample_prior(self, n, streams):
        return Latents(torch.zeros(n, 1))

    def sample_base(self, n, streams):
        return Latents(torch.randint(len(self.data.test), (n, 1), generator=streams.noise).float())


class ToyClassifiers:
    """Reads shape and colour of `tests.toy.hetero_data`'s items without training."""

    mean_accuracy, origin = 1.0, "made up"

    def __init__(self):
        self.accuracy = {m.name: 1.0 for m in HETERO_MODALITIES}
        self.accuracy_by_attribute = {m.name: dict.fromkeys(HETERO_ATTRIBUTES, 1.0) for m in HETERO_MODALITIES}

    def features(self, items):
        """Of every shape and colour, how much there is of them: [N, 4 · 3], and of words [N, 4 + 3]."""
        found = {}
        for name, x in items.items():
            if name == "caption":
                found[name] = F.one_hot(x, len(VOCABULARY)).sum(1)[:, -len(COLOURS + SHAPES) :].float()
            elif name == "photo":
                found[name] = x.unflatten(2, (4, 7)).mean((3, 4)).transpose(1, 2).flatten(1)
            else:
                found[name] = x[:, 0, :, :30].unflatten(1, (4, 8)).unflatten(3, (3, 10)).mean((2, 4)).flatten(1)
        return found

    def classify(self, features):
        predicted = {"shape": {}, "colour": {}}
        for name, x in features.items():
            if name == "caption":
                colour, shape = x.split([len(COLOURS), len(SHAPES)], 1)
            else:
                table = x.unflatten(1, (4, 3))
                shape, colour = table.amax(2), table.amax(1)
            predicted["shape"][name], predicted["colour"][name] = shape.argmax(1), colour.argmax(1)
        return predicted


class NoClassifiers:
    """Of data without labels."""

    mean_accuracy = None

    def __init__(self):
        self.accuracy, self.accuracy_by_attribute = {}, {}

    def features(self, items):
        return {}

    def classify(self, features):
        return {}


def context(method, data, samples=40, classifiers=None, batch_size=16, seed=0, published=None):
    return Context(
        method=method,
        train=data.train,
        test=data.test,
        classifiers=classifiers or BandClassifiers(len(data.modalities)),
        attributes=data.attributes,
        seed=seed,
        samples=samples,
        batch_size=batch_size,
        published=published,
    )


def evaluate(name, context, **settings):
    """The measures of a registered evaluator that applies."""
    evaluator = EVALUATORS.load(name)()
    assert evaluator.applies(context) is None
    return evaluator(context, evaluator.Settings(**settings))
