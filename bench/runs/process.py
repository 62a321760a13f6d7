"""Processes by host, number and start: a number alone may have been given to another process by now."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing import parent_process
from pathlib import Path

SECONDS_FOR_AN_ANSWER = 10.0


@dataclass(frozen=True)
class Process:
    """One process.

    Args:
        started: when, in words of the operating system that are the same for as long as the process lives, and are
            another process's never; None where the system does not tell.
    """

    host: str
    pid: int
    started: str | None

    def is_alive(self) -> bool:
        """Whether it is, as far as can be seen from this host. What a file names without a start never is."""
        return self.host == socket.gethostname() and self.started is not None and start_of(self.pid) == self.started


@cache
def _this_process(pid: int) -> Process:
    return Process(socket.gethostname(), pid, start_of(pid))


def this_process() -> Process:
    """The process that asks; by its number, as a fork is another one."""
    return _this_process(os.getpid())


def start_of(pid: int) -> str | None:
    """When the process with this number on this host started, or None where there is none.

    Linux counts clock ticks since the machine started, whose start has a name; macOS tells the time.
    """
    if pid <= 1:  # 0 and below are groups of processes, and 1 starts all others
        return None
    if not Path("/proc/self/stat").exists():
        return _ask_ps(pid, "lstart")
    try:
        # The name of the program stands in brackets, and may have brackets and spaces of its own.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        if fields[0] == "Z":  # it has ended, and its parent has not asked yet
            return None
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{fields[19]}"
    except (OSError, IndexError):
        return None


def runs_bench(pid: int) -> bool:
    """Whether the process's command line is one of bench: `python -m bench …`, or Python with the script `bench`."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except FileNotFoundError:
        command = (_ask_ps(pid, "command") or "").split()
    except OSError:
        return False
    names = [Path(word).name for word in command]
    return bool(names) and names[0].lower().startswith("python") and "bench" in names[1:]


def terminate(process: Process) -> bool:
    """Asks a process of bench to save its state and end (SIGTERM).

    Returns False, and does nothing, where the process is not the one that is meant: it is on another host, is not
    alive, or is no process of bench. Raises PermissionError for another user's.
    """
    if not (process.is_alive() and runs_bench(process.pid)):
        return False
    try:
        os.kill(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True


def _ask_ps(pid: int, field: str) -> str | None:
    command = ["ps", "-o", f"{field}=", "-p", str(pid)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_AN_ANSWER, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return " ".join(answer.stdout.split()) or None


def when_parent_ends(act: Callable[[], object]) -> None:
    """Calls `act` in a thread when the process that started this one by `multiprocessing` has ended, however."""
    if parent := parent_process():

        def wait() -> None:
            parent.join()
            act()

        threading.Thread(target=wait, daemon=True).start()
