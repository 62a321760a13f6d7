"""Your own data, from a folder of arrays: `ARRAYS` is what is registered."""

from bench.datasets.arrays.source import ARRAYS

__all__ = ["ARRAYS"]
