"""The command line: `bench COMMAND`, each command a module of `bench.commands`."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
from collections.abc import Sequence

from bench import __version__
from bench.commands import (
    cache,
    cancel,
    compare,
    completion,
    data,
    doctor,
    evaluate,
    listing,
    logs,
    merge,
    report,
    retry,
    run,
    show,
    speed,
    status,
    tensorboard,
)
from bench.commands.parsing import Parser
from bench.errors import BenchError, log_to_stderr, printable
from methods.registry import Collision

COMMANDS = (
    *(run, status, logs, cancel, retry, evaluate, report, compare, merge),
    *(listing, show, doctor, data, cache, speed, tensorboard, completion),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    log_to_stderr()
    # Python's last act would be to look for cycles in all that is left, torch's hundreds of thousands of objects above
    # all, which end with the process anyway.
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows few letters is no reason to end; and a pipe has every line as soon as it is said.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        known = parser()
        if "_ARGCOMPLETE" in os.environ:  # a shell asks how the line that is being typed may continue
            completion.answer(known)
        options = known.parse_args(arguments)
        code: int = options.command(options)
        return code
    except BenchError as error:
        print(printable(f"bench: {error}"), file=sys.stderr)
        return error.exit_code
    except Collision as error:
        print(printable(f"bench: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # The reader of our output has gone (`| head`); there is nobody to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(printable(f"bench: {error}"), file=sys.stderr)
            _forget_output(error)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130


def _forget_output(error: OSError) -> None:
    """Where the output's disk is full, what is still to be written would fail again at the end."""
    if error.errno == errno.ENOSPC and sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> Parser:
    top = Parser(prog="bench", description="Compare priors of multimodal VAEs by coherence.")
    top.add_argument("--version", action="version", version=f"bench {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
