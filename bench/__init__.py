"""A benchmark of multimodal variational autoencoders and their priors.

From Python: `bench.run` trains and evaluates, `bench.results` gives its tables as data frames, and `bench.load` gives a
trained model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api.model import Model, load
    from bench.api.running import run
    from bench.api.tables import results

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "load", "results", "run"]


_MODULES = {"Model": "model", "load": "model", "results": "tables", "run": "running"}


def __getattr__(name: str) -> Any:
    """Imports torch and pandas at the first use of what needs them, and not with `import bench`."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"bench.api.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    """With the names that are yet to be imported, which a notebook completes and `help` lists."""
    return sorted({*globals(), *__all__})
