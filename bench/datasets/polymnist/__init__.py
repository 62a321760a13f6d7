"""The dataset PolyMNIST, from three sources: `POLYMNIST` is what is registered."""

from bench.datasets.polymnist.source import POLYMNIST

__all__ = ["POLYMNIST"]
