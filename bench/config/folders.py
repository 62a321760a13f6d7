"""Where preset files are. Reading them takes imports; listing and completing names have to be quick."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

ORDER = ("smoke", "quick", "overnight", "paper")  # of their cost; others come after them


def presets_folder(dataset: str) -> Traversable:
    """Where the presets of this project's own datasets are."""
    return resources.files("bench.config") / "presets" / dataset


def preset_names(folder: Traversable) -> list[str]:
    """The presets in a folder, the cheapest first."""
    files = list(folder.iterdir()) if folder.is_dir() else []
    names = [path.name.removesuffix(".yaml") for path in files if path.name.endswith(".yaml")]
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
