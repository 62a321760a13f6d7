"""Drawn birds: pictures and captions of birds that are made up from a seed."""

from bench.datasets.cub.drawn.birds import drawn_birds

__all__ = ["drawn_birds"]
