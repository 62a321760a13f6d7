"""The command line's parser: argparse's, which says what a command lacks and what a word may have been meant to be."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NoReturn

from bench.errors import printable, unknown

LISTS = ("--methods", "--seeds", "--evaluators", "--prior", "--sweep")  # each takes one word, with commas in it
REPEATED = ("--set",)  # each takes one setting, and may be given again


class Parser(argparse.ArgumentParser):
    """argparse makes those of the commands of the same class."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        options, rest = self.parse_known_args(words, namespace)
        if rest:
            # The usage of the command, and not that of all commands.
            command = _command_of(self, words)
            command.error(f"unrecognized arguments: {' '.join(rest)}{_hint(command, words, rest)}")
        return options

    def error(self, message: str) -> NoReturn:
        """Exit code 2. What is missing is explained by its help, of which the usage has only the name."""
        missing = [action for action in self._actions if action.required and _name(action) in _missing(message)]
        lines = [f"  {_name(action)}: {action.help or self._choices(action)}" for action in missing]
        super().error(printable("\n".join([message, *lines])))

    def _choices(self, action: argparse.Action) -> str:
        return f"one of: {', '.join(map(str, action.choices or ()))} (`{self.prog} --help` says what each does)"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = action.metavar if isinstance(action.metavar, str) else action.dest
            raise argparse.ArgumentError(None, unknown(what.lower(), str(value), map(str, action.choices)))


def _name(action: argparse.Action) -> str:
    """As argparse's messages have it."""
    return "/".join(action.option_strings) or str(action.metavar or action.dest)


def _missing(message: str) -> list[str]:
    before, _, names = message.partition("are required: ")
    return names.split(", ") if before else []


def _command_of(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command, or of its action, that the words name; the parser itself where they name none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for place, word in enumerate(words):
                if word in action.choices:
                    return _command_of(action.choices[word], words[place + 1 :])
    return parser


def _hint(command: argparse.ArgumentParser, words: Sequence[str], rest: Sequence[str]) -> str:
    """What was probably meant by the first of the words that nothing takes."""
    first = rest[0]
    if first.startswith("-"):
        close = difflib.get_close_matches(first.partition("=")[0], command._option_string_actions, n=1)
        return f" (did you mean {close[0]}?)" if close else ""
    option, given = _before(words, first)
    if option in LISTS:
        strays = takewhile(lambda word: not word.startswith("-"), rest)
        together = ",".join(word.strip(",") for word in [*given, *strays])
        return f". {option} takes one list, with commas: {option} {together}"
    if option in REPEATED:
        return f". {option} takes one setting, and may be given again: {option} {first}"
    return ""


def _before(words: Sequence[str], stray: str) -> tuple[str, Sequence[str]]:
    """The option that stands before the word, and the words between them; nothing where there is none."""
    before = words[: words.index(stray)] if stray in words else []
    for place in reversed(range(len(before))):
        if before[place].startswith("--"):
            option, equals, value = before[place].partition("=")
            return option, [*([value] if equals else []), *before[place + 1 :]]
    return "", []
