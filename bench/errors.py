"""Errors and warnings that are for people. Each says what was wrong, with which value, what is allowed and what to do
next."""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Iterable


class BenchError(Exception):
    """Base of the errors that end a command with a message instead of a traceback."""

    exit_code = 1


class UsageError(BenchError):
    """A command line or a configuration that means nothing."""

    exit_code = 2


class DataMissing(BenchError):
    """Data that are absent, unreadable or not what they claim to be."""

    exit_code = 3


def unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    """Such as: unknown method 'mopo': did you mean 'mopoe'? (allowed: …)."""
    choices = list(allowed)
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f": did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {name!r}{hint} (allowed: {', '.join(choices)})"


def printable(text: str) -> str:
    """The text with control characters and other invisible ones as escapes, such as \\x1b; line ends and tabs stay.

    For whatever came from a file or a library on its way to a terminal, a log or a table: nothing in it moves the
    cursor, hides text or breaks an encoding.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def log_to_stderr() -> None:
    """Warnings of this process go to stderr, whatever that is when they are given, as `printable` shows them; and what
    takes long is told before it is done, by `bench`'s own log."""

    class ToStderr(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                who = "bench" if record.levelno == logging.INFO else record.levelname
                print(printable(f"{who}: {self.format(record)}"), file=sys.stderr)
            except Exception:  # a log ends nothing
                self.handleError(record)

    handler = ToStderr()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("bench").setLevel(logging.INFO)
