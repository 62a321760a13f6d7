"""The dataset CUB (birds and captions), from three sources: `CUB` is what is registered."""

from bench.datasets.cub.source import CUB

__all__ = ["CUB"]
