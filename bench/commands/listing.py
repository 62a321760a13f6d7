"""`bench list`: what there is to choose from."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench.commands import Subparsers
from bench.datasets import DATASETS
from evaluators import EVALUATORS
from methods import METHODS


def add(commands: Subparsers) -> None:
    listing = commands.add_parser("list", help="list methods, datasets, presets or evaluators")
    listing.add_argument("what", choices=["methods", "datasets", "presets", "evaluators"])
    listing.set_defaults(command=list_command)


def list_command(options: argparse.Namespace) -> int:
    import ast
    from importlib.util import find_spec

    if options.what == "presets":
        print("smoke, quick, paper (bench/presets/*.yaml)")
        return 0
    registry = {"methods": METHODS, "datasets": DATASETS, "evaluators": EVALUATORS}[options.what]
    for name, target in registry.items():
        # The docstring is read, not imported: torch would take seconds.
        spec = find_spec(target.partition(":")[0])
        origin = spec.origin if spec and spec.origin else ""
        summary = (ast.get_docstring(ast.parse(Path(origin).read_text())) or "").splitlines()[0]
        print(f"{name:16} {summary}\n{'':16} {os.path.relpath(origin)}")
    return 0
