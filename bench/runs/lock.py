"""Who is at work on a run. One process at a time may be, be it training or evaluation.

A claim is the kernel's lock on a file, which ends with the process, however it ends. Some cluster file systems do not
share such locks between hosts; so the file also names its owner, and its time of modification is the owner's heartbeat.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from bench.errors import printable

log = logging.getLogger("bench")

HEARTBEAT_SECONDS = 30.0
# Of an owner on another host. Longer than a file system's hiccup, or clocks that disagree.
SILENCE_SECONDS = 300.0
MOST_BYTES = 4096  # that are read of a lock file


class Busy(Exception):
    """Another process has the claim."""


class Replaced(Exception):
    """Another process has taken the claim over, as this one gave no sign of life for too long."""


class Unusable(OSError):
    """What lies in place of the lock file is none, or cannot be opened; the message says what to do."""


@dataclass(frozen=True)
class Owner:
    """Which process has a claim, since when (seconds since the epoch)."""

    host: str
    pid: int
    started: float


@contextmanager
def claim(path: Path) -> Iterator[Claim]:
    """Holds the lock file `path`, while a thread gives the heartbeat.

    Raises:
        Busy: another process has it, on this host or (by its heartbeat) on another.
        OSError: the file cannot be written; Unusable where it is no file, or may not be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open(path, os.O_RDWR | os.O_CREAT) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another process is at work on {path.parent}{_named(_owner(path))}") from None
        _check_other_hosts(path)
        mine = Claim(path, Owner(socket.gethostname(), os.getpid(), time.time()))
        _write(file, json.dumps(asdict(mine.owner)))
        ended = threading.Event()
        heart = threading.Thread(target=_beat, args=(file, ended), daemon=True)
        heart.start()
        try:
            yield mine
        finally:
            ended.set()
            heart.join()
            # On a disk that is full or gone the name stays, and says nothing: the kernel's lock ends here.
            with suppress(OSError):
                if _owner(path) == mine.owner:
                    _write(file, "")


@dataclass(frozen=True)
class Claim:
    """A claim that this process has or had."""

    path: Path
    owner: Owner

    def check(self) -> None:
        """Raises Replaced if the claim is no longer this process's own, and it must write nothing more."""
        if (now := _owner(self.path)) != self.owner:
            who = f"process {now.pid} on {now.host}" if now else "another process, or somebody who removed its lock"
            raise Replaced(f"{self.path.parent} was taken over by {who}")


def claimed(path: Path) -> bool:
    """Whether a living process has the lock file `path`, as far as can be seen from this host.

    To ask is to hold the lock for an instant: a process that makes its claim just then finds it busy.
    """
    try:
        with _open(path, os.O_RDONLY) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # there is none, or nobody can have it
    return _elsewhere(_owner(path)) and _silence(path) < SILENCE_SECONDS


def _open(path: Path, flags: int) -> IO[str]:
    """The lock file, which is never one behind a symbolic link: its content is replaced. Raises Unusable for others."""
    advice = "If no process is at work on the run, remove it, and try again"
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        # A folder (EISDIR), a symbolic link (ELOOP), or a FIFO that nobody reads (ENXIO); else the disk's own trouble.
        if error.errno not in (errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EACCES):
            raise
        raise Unusable(error.errno, f"the lock cannot be opened ({error.strerror}). {advice}", str(path)) from error
    file = os.fdopen(descriptor, "r+" if flags & os.O_RDWR else "r") if _is_regular(descriptor) else None
    if file is None:
        os.close(descriptor)
        raise Unusable(errno.EINVAL, f"the lock is not a regular file. {advice}", str(path))
    return file


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _check_other_hosts(path: Path) -> None:
    owner = _owner(path)
    if owner is None or not _elsewhere(owner):
        return
    silence = _silence(path)
    if silence < SILENCE_SECONDS:
        raise Busy(f"process {owner.pid} on {owner.host} has {path}; last sign of life {silence:.0f} s ago")
    log.warning(
        "%s: process %d on %s gave no sign of life for %.0f minutes: taking over",
        *(path.parent, owner.pid, owner.host, silence / 60),
    )


def _elsewhere(owner: Owner | None) -> bool:
    return owner is not None and owner.host != socket.gethostname()


def _named(owner: Owner | None) -> str:
    return f": process {owner.pid} on {owner.host}" if owner else ""


def _silence(path: Path) -> float:
    """Seconds since the last heartbeat; without end where the file has gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _owner(path: Path) -> Owner | None:
    """None where nobody is named, or a writer that was killed has left half a name, or somebody has written else."""
    try:
        with _open(path, os.O_RDONLY) as file:
            tree: Any = json.loads(file.read(MOST_BYTES))
        owner = Owner(**tree)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    # bool is an int, and no number of a process.
    if (type(owner.host), type(owner.pid)) != (str, int) or type(owner.started) not in (int, float):
        return None
    return Owner(printable(owner.host), owner.pid, owner.started)


def _write(file: IO[str], text: str) -> None:
    """In place: a lock belongs to the file, so that this one cannot be renamed into place as all others are."""
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def _beat(file: IO[str], ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        try:
            os.utime(file.fileno())
        except OSError as error:
            # The disk may be away for a moment. If it stays away, the training will notice.
            log.debug("no heartbeat for %s: %s", file.name, error)
