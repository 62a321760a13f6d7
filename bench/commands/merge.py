"""`bench merge`: the runs of several folders, each checked, in one."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands import Subparsers


def add(commands: Subparsers) -> None:
    merge = commands.add_parser(
        "merge",
        help="check runs of several machines or labs, and put them into one folder",
        description="Checks every run of the folders: that its files can be read, that its hash is that of its "
        "configuration, that its measures are possible and follow from what is stored beside them. Two runs that are "
        "the same but for their numbers contradict each other. If there is any problem nothing is written.",
    )
    merge.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folders that `bench run --out` filled")
    where = merge.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="the folder for all of them; the others stay as they are")
    where.add_argument("--check", action="store_true", help="only check, and say what is wrong")
    merge.set_defaults(command=merge_command)


def merge_command(options: argparse.Namespace) -> int:
    """0 where nothing is wrong, 1 where something is."""
    from bench.reporting.merge import merge, survey
    from bench.runs.store import check_folder, check_writable

    if options.out is not None:
        check_folder(options.out)
    found = survey(options.folders, options.out)
    for note in found.notes:
        print(f"note: {note}")
    for problem in found.problems:
        print(f"problem: {problem}")
    print(f"{len(found.runs)} runs are in order; {len(found.problems)} problems")
    if found.problems:
        return 1
    if options.out is not None:
        check_writable(options.out)
        written = merge(found.runs, options.out)
        print(f"{written} of them were copied to {options.out}: bench report --out {options.out}")
    return 0
