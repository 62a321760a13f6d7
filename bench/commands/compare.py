"""`bench compare`: the difference between two methods' runs that share seeds."""

from __future__ import annotations

import argparse

from bench.commands import Subparsers
from bench.commands.options import add_out_option


def add(commands: Subparsers) -> None:
    compare = commands.add_parser("compare", help="the difference between two methods' runs that share seeds")
    for name in ("A", "B"):
        compare.add_argument(name, help="a method, or method@confighash where it has several configurations")
    add_out_option(compare)
    compare.set_defaults(command=compare_command)


def compare_command(options: argparse.Namespace) -> int:
    from bench.runs.cycles import uncollected

    with uncollected():  # what is imported stays as well
        from bench.reporting.compare import compare, markdown

        print(markdown(compare(options.out, options.A, options.B)))
    return 0
