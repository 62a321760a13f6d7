"""`bench list`: what there is to choose from, with what installed packages add."""

from __future__ import annotations

import argparse
import ast
import os
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.commands import Subparsers
from bench.datasets import DATASETS
from bench.errors import printable
from evaluators import EVALUATORS
from methods import METHODS, PRIORS
from methods.registry import Registry

REGISTRIES: dict[str, Registry[Any]] = {
    "methods": METHODS,
    "priors": PRIORS,
    "datasets": DATASETS,
    "evaluators": EVALUATORS,
}
KINDS = ["methods", "priors", "datasets", "presets", "evaluators"]


def add(commands: Subparsers) -> None:
    listing = commands.add_parser("list", help="list methods, priors, datasets, presets and evaluators")
    listing.add_argument("what", nargs="?", choices=KINDS, help="one of these only")
    listing.set_defaults(command=list_command)


def list_command(options: argparse.Namespace) -> int:
    for what in [options.what] if options.what else KINDS:
        if not options.what:
            print(f"{what}:")
        for name, summary, place in _presets() if what == "presets" else _registered(REGISTRIES[what]):
            print(printable(f"{name:22} {summary}\n{'':22} {place}"))
    return 0


def _registered(registry: Registry[Any]) -> Iterator[tuple[str, str, str]]:
    """Name, description and file of each entry."""
    modules = [target.partition(":")[0] for target in registry.values()]
    for name, target in registry.items():
        module, _, attribute = target.partition(":")
        summary, file = describe(module, attribute, alone=modules.count(module) == 1)
        plug_in = "" if name in registry.own else " (installed package)"
        yield name, summary, f"{file}{plug_in}"


def describe(module: str, attribute: str, alone: bool) -> tuple[str, str]:
    """What is registered, in a line, and its file: the docstring of the module where it is `alone` in it, else its own.

    It is read and not imported: torch would take seconds, and a broken package would break the list.
    """
    file = _source(module)
    if file is None:
        return f"cannot be found: there is no module {module}", module
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        return f"cannot be read: {error}", os.path.relpath(file)
    for node in tree.body:
        # Something that is passed on is described where it is made.
        if isinstance(node, ast.ImportFrom) and node.module and node.module != module:
            for alias in node.names:
                if (alias.asname or alias.name) == attribute and not node.level:
                    return describe(node.module, alias.name, alone)
    own, whole = _docstring(tree, attribute), ast.get_docstring(tree)
    text = (whole or own if alone else own or whole) or "(no description)"
    return " ".join(text.partition("\n\n")[0].split()), os.path.relpath(file)


def _docstring(tree: ast.Module, attribute: str) -> str | None:
    """Of the class of that name, or of the class of the object of that name."""
    classes = {node.name: ast.get_docstring(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == attribute for target in targets):
            made_by = node.value.func if isinstance(node.value, ast.Call) else node.value
            return classes.get(made_by.id) if isinstance(made_by, ast.Name) else None
    return classes.get(attribute)


def _source(module: str) -> Path | None:
    """The module's file. Only its outermost package is looked up, which imports nothing."""
    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    if not parts:
        return Path(spec.origin)
    path = Path(spec.origin).parent.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _presets() -> Iterator[tuple[str, str, str]]:
    for dataset in DATASETS:
        try:
            folder = _presets_folder(dataset)
            files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda f: f.name)
            for file in files:
                first = file.read_text(encoding="utf-8").partition("\n")[0]
                summary = first.lstrip("# ") if first.startswith("#") else "(no description)"
                yield f"{dataset} {file.name.removesuffix('.yaml')}", summary.partition(". ")[0], _place(file)
        except Exception as error:  # of an installed package, whose classes may raise anything
            yield dataset, f"presets cannot be read: {error}", DATASETS[dataset]


def _presets_folder(dataset: str) -> Traversable:
    """Where they are; only an installed package's dataset has to be imported for it."""
    if dataset in DATASETS.own:
        return resources.files("bench.config") / "presets" / dataset
    return DATASETS.load(dataset).presets


def _place(file: Traversable) -> str:
    return os.path.relpath(str(file)) if isinstance(file, Path) else str(file)
