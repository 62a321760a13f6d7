"""`bench completion`: what a shell is told so that it completes names and runs; and what it is answered.

argcomplete does it: it asks the parser itself, so that no list of options has to be written a second time, it knows
bash, zsh and fish, and it can complete what only the disk knows, such as runs. It is imported when a shell asks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from bench.commands import Subparsers
from bench.commands.executors import EXECUTORS
from bench.commands.settings import settings, sweeps
from bench.config.folders import preset_names, presets_folder
from bench.datasets import DATASETS
from bench.errors import BenchError
from evaluators import EVALUATORS
from methods import METHODS, PRIORS

SHELLS = {
    "bash": 'eval "$(bench completion bash)"        in ~/.bashrc',
    "zsh": 'eval "$(bench completion zsh)"         in ~/.zshrc, below compinit',
    "fish": "bench completion fish | source         in ~/.config/fish/config.fish",
}

Completer = Callable[..., Iterable[str]]  # of (prefix, parsed_args, …), as argcomplete calls it


def add(commands: Subparsers) -> None:
    lines = "\n".join(f"  {line}" for line in SHELLS.values())
    completion = commands.add_parser(
        "completion",
        help="print what a shell needs to complete names and runs",
        description=f"To have it in every new shell, put one of these lines in the file that is named:\n\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(command=completion_command)


def completion_command(options: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["bench"], shell=options.shell))
    return 0


def answer(parser: argparse.ArgumentParser) -> None:
    """Answers the shell that asks, and ends the process."""
    import argcomplete

    for command in _parsers(parser):
        for action in command._actions:
            if action.choices is None and (completer := COMPLETERS.get(action.dest)):
                action.completer = completer  # type: ignore[attr-defined]  # argcomplete's way
    argcomplete.autocomplete(parser)


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _parsers(inner)


def one_of(names: Iterable[str]) -> Completer:
    return lambda prefix, **_: list(names)


def several_of(names: Iterable[str]) -> Completer:
    """A list with commas, or `all`."""

    def complete(prefix: str, **_: Any) -> list[str]:
        before, comma, _last = prefix.rpartition(",")
        others = [name for name in names if name not in before.split(",")]
        return [f"{before}{comma}{name}" for name in (others if before else [*others, "all"])]

    return complete


def presets(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Of the dataset that is named, if it is one of the project's own: another would have to be imported."""
    dataset = getattr(parsed_args, "dataset", None)
    return [
        preset for name in ([dataset] if dataset else DATASETS.own) for preset in preset_names(presets_folder(name))
    ]


def runs(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Of --out, as `bench logs` and `bench cancel` take them; directories where a command has no --out."""
    from bench.runs.run import find

    out = getattr(parsed_args, "out", None)
    if out is None:
        from argcomplete.completers import DirectoriesCompleter

        return list(DirectoriesCompleter()(prefix))
    with suppress(BenchError):
        return ["/".join(path.relative_to(out / "runs").parts) for path in find(out)]
    return []


def compared(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Methods and, once one is typed as far as `method@`, the configurations of it that --out has runs of."""
    from bench.runs.run import find

    method, at, _hash = prefix.partition("@")
    if not at:
        return list(METHODS)
    with suppress(BenchError):
        folders = (path.parent for path in find(parsed_args.out))
        found = [folder.name.rpartition("-")[2] for folder in folders if folder.parent.name == method]
        return [f"{method}@{config_hash}" for config_hash in dict.fromkeys(found)]
    return []


def cache_entries(prefix: str, **_: Any) -> list[str]:
    from bench.runs.cache_entries import entries
    from bench.runs.store import cache_root

    with suppress(BenchError, OSError):
        return [entry.name for entry in entries(cache_root().resolve())]
    return []


COMPLETERS: dict[str, Completer] = {
    "methods": several_of(METHODS),
    "method": one_of(METHODS),
    "prior": several_of(PRIORS),
    "evaluators": several_of(EVALUATORS),
    "dataset": one_of(DATASETS),
    "preset": presets,
    "source": one_of(["auto", "official", "rebuilt", "bundled"]),
    "device": one_of(["auto", "cpu", "cuda"]),
    "executor": one_of(EXECUTORS),
    "run": runs,
    "runs": runs,
    "names": cache_entries,
    "A": compared,
    "B": compared,
    "set": settings,
    "settings": settings,
    "sweep": sweeps,
}
