"""`bench list`: what there is to choose from, with what installed packages add."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from bench.commands import Subparsers
from bench.commands.options import add_data_root_option
from bench.config.folders import presets_folder
from bench.datasets import DATASETS
from bench.errors import BenchError
from evaluators import EVALUATORS
from methods import METHODS, PRIORS
from methods.registry import Registry

# Datasets come last: which of their sources are there only they can say, and that takes a second of imports.
REGISTRIES: dict[str, Registry[Any]] = {
    "methods": METHODS,
    "priors": PRIORS,
    "evaluators": EVALUATORS,
    "datasets": DATASETS,
}
KINDS = ["methods", "priors", "evaluators", "presets", "datasets"]

Line = tuple[str, str, str, str]  # name, what it is, papers or sources, file


def add(commands: Subparsers) -> None:
    listing = commands.add_parser(
        "list", help="list methods, priors, evaluators, presets and datasets, with papers and files"
    )
    listing.add_argument(
        "what", nargs="?", choices=KINDS, metavar="KIND", help=f"one of these only: {', '.join(KINDS)}"
    )
    add_data_root_option(listing)
    listing.set_defaults(command=list_command)


def list_command(options: argparse.Namespace) -> int:
    from bench.commands.tables import print_table

    for what in [options.what] if options.what else KINDS:
        if not options.what:
            print(f"{what}:")
        print_table(lines(what, options.data_root))
    return 0


def lines(what: str, data_root: Path) -> Iterable[Line]:
    """A line for each of what there is."""
    from bench.commands.describing import described

    if what == "presets":
        return _presets()
    registry = REGISTRIES[what]
    found = {name: described(registry, name) for name in registry}
    return [
        (name, entry.summary, _sources(name, data_root) if what == "datasets" else entry.papers, entry.file)
        for name, entry in found.items()
    ]


def _sources(dataset: str, data_root: Path) -> str:
    """Which of a dataset's sources are found under the data root, and which are not."""
    from bench.datasets import dataset_source

    try:
        known = dataset_source(dataset)
        lacking = [source for source in known.sources if known.missing(source, data_root) is not None]
    except Exception as error:  # of an installed package, which may raise anything
        return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
    found = [source for source in known.sources if source not in lacking]
    return "; ".join(
        f"{text}: {', '.join(names)}" for text, names in (("found", found), ("not found", lacking)) if names
    )


def _presets() -> Iterator[Line]:
    for dataset in DATASETS:
        try:
            folder = _presets_folder(dataset)
            files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda f: f.name)
            for file in files:
                summary = _first_sentence(file.read_text(encoding="utf-8"))
                yield f"{dataset} {file.name.removesuffix('.yaml')}", summary, "", _place(file)
        except Exception as error:  # of an installed package, whose classes may raise anything
            yield dataset, f"presets cannot be read: {error}", "", DATASETS[dataset]


def _first_sentence(text: str) -> str:
    """Of the comment that a file starts with."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return " ".join(line.lstrip("# ") for line in comment).partition(". ")[0].rstrip(".") or "(no description)"


def _presets_folder(dataset: str) -> Traversable:
    """Where they are; only an installed package's dataset has to be imported for it."""
    if dataset in DATASETS.own:
        return presets_folder(dataset)
    return DATASETS.load(dataset).presets


def _place(file: Traversable) -> str:
    return os.path.relpath(str(file)) if isinstance(file, Path) else str(file)
