"""`bench cache`: the data and classifiers that are kept between commands, and how to be rid of them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.errors import BenchError, UsageError, printable, unknown

if TYPE_CHECKING:
    from bench.runs.cache_entries import Entry

DESCRIPTION = """The cache is $BENCH_CACHE, else multimodal-prior-bench in $XDG_CACHE_HOME or ~/.cache. It holds data
that were built and classifiers that were trained, once each; the next command that needs what was deleted makes it
again. Runs and their results are not in it."""


def add(commands: Subparsers) -> None:
    cache = commands.add_parser("cache", help="list or delete built data and trained classifiers")
    actions = cache.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what the cache holds, and how large it is", description=DESCRIPTION)
    listing.set_defaults(command=list_command)
    clear = actions.add_parser(
        "clear", help="delete what the cache holds, and nothing outside it", description=DESCRIPTION
    )
    clear.add_argument("names", nargs="*", metavar="NAME", help="as `bench cache list` names them (default: all)")
    clear.add_argument("--yes", action="store_true", help="do not ask")
    clear.set_defaults(command=clear_command)


def list_command(options: argparse.Namespace) -> int:
    from datetime import datetime

    from bench.commands.tables import print_table
    from bench.runs.cache_entries import strangers
    from bench.runs.store import cache_root

    found, root = _entries(), cache_root()
    print_table((e.name, e.what, size(e.size), f"{datetime.fromtimestamp(e.made):%Y-%m-%d}") for e in found)
    print(printable(f"{_count(found)} in {root}"))
    if others := strangers(root.resolve()):
        print(printable(f"not made by bench, and kept: {', '.join(others)}"))
    return 0


def clear_command(options: argparse.Namespace) -> int:
    from bench.runs.cache_entries import remove
    from bench.runs.store import cache_root

    found = {entry.name: entry for entry in _entries()}
    for name in options.names:
        if name not in found:
            raise UsageError(f"bench cache clear: {unknown('entry', name, found)}" if found else "the cache is empty")
    chosen = [found[name] for name in dict.fromkeys(options.names or found)]
    if not chosen:
        print("bench: the cache is empty")
        return 0
    if not (options.yes or _agreed(f"Delete {_count(chosen)} in {cache_root()}?")):
        print("bench: nothing was deleted", file=sys.stderr)
        return 1
    kept = 0
    for entry in chosen:
        try:
            deleted = remove(entry)
        except OSError as error:
            raise BenchError(f"{entry.path}: cannot be deleted ({error.strerror})") from error
        kept += not deleted
        what = "deleted" if deleted else "left: a process is making it"
        print(printable(f"{entry.name} ({size(entry.size)}): {what}"))
    return 1 if kept else 0


def size(count: float) -> str:
    """Bytes for people, such as 388 MB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _entries() -> list[Entry]:
    from bench.runs.cache_entries import entries
    from bench.runs.store import cache_root

    root = cache_root()
    try:
        return entries(root.resolve())
    except OSError as error:
        raise BenchError(f"the cache {root} cannot be read ({error.strerror}): see BENCH_CACHE") from error


def _count(found: list[Entry]) -> str:
    """Such as: 5 entries, 1.2 GB."""
    number = "1 entry" if len(found) == 1 else f"{len(found)} entries"
    return f"{number}, {size(sum(entry.size for entry in found))}"


def _agreed(question: str) -> bool:
    """Raises UsageError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise UsageError("bench cache clear: there is no terminal to ask on: say --yes; nothing was deleted")
    try:
        return input(printable(f"{question} [y/N] ")).strip().lower() in ("y", "yes")
    except EOFError:
        return False
