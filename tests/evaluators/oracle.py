"""A model that knows the test images, and the context of an evaluation."""

import torch

from evaluators.base import Context
from methods.base import Latents, Method
from tests.conftest import band_judge

CLASSES = 4


class Oracle(Method):
    """Knows the test images: z is a row's number, and decoding returns that row's true images."""

    def __init__(self, data, draw=None):
        super().__init__(None, data.modalities)
        self.data, self.draw = data, draw

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


def context(method, data, samples=40, judge=None, batch_size=16, seed=0, inception=None):
    return Context(
        method=method,
        train=data.train.items,
        train_labels=data.train.labels,
        test=data.test.items,
        labels=data.test.labels,
        judge=judge or band_judge(len(data.modalities)),
        seed=seed,
        classes=CLASSES,
        samples=samples,
        batch_size=batch_size,
        inception=inception,
    )
