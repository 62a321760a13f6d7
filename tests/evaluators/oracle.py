"""A model that knows the test images, the context of an evaluation, and the measures of a registered evaluator."""

import torch
from torch import nn

from evaluators import EVALUATORS
from evaluators.context import Context
from methods.base import Latents, Method
from tests.conftest import BandClassifiers

CLASSES = 4


class Oracle(Method):
    """Knows the test images: z is a row's number, and decoding returns that row's true images."""

    def __init__(self, data):
        super().__init__(None, data.modalities)
        self.data = data
        self.somewhere = nn.Parameter(torch.zeros(1))  # a model's parameters say on which device it is

    def loss(self, batch, streams, progress=1.0):
        raise NotImplementedError

    def infer(self, batch, given, streams):
        x = batch[given[0]]
        rows = [
            (self.data.test.items[given[0]].float() / 255 == image).flatten(1).all(1).nonzero()[0, 0] for image in x
        ]
        return Latents(torch.stack(rows).float()[:, None])

    def decode(self, latents, names):
        rows = latents.z[:, 0].long()
        return {name: self.data.test.items[name][rows].float() / 255 for name in names}

    def sample_prior(self, n, streams):
        return Latents(torch.zeros(n, 1))

    def sample_base(self, n, streams):
        return Latents(torch.randint(len(self.data.test), (n, 1), generator=streams.noise).float())


def context(method, data, samples=40, classifiers=None, batch_size=16, seed=0):
    return Context(
        method=method,
        train=data.train,
        test=data.test,
        classifiers=classifiers or BandClassifiers(len(data.modalities)),
        attributes=data.attributes,
        seed=seed,
        samples=samples,
        batch_size=batch_size,
    )


def evaluate(name, of, **settings):
    """What the registered evaluator says of a context that it applies to."""
    evaluator = EVALUATORS.load(name)()
    assert evaluator.applies(of) is None
    return evaluator(of, evaluator.Settings(**settings))


def reason(name, of):
    return EVALUATORS.load(name)().applies(of)
