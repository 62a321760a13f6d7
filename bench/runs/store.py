"""Files that appear whole or not at all, and locks between processes."""

from __future__ import annotations

import errno
import fcntl
import glob
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.errors import BenchError, DataMissing, UsageError, printable

TEMPORARY, DOOMED = ".tmp", ".old"
# No text file of ours comes near it: a larger one is not ours, and is not read into memory.
MOST_BYTES = 64 * 2**20
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def previous(path: Path) -> Path:
    """Where the file before `path` is kept, if it is: checkpoint.previous.pt beside checkpoint.pt."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write_atomic(path: Path, write: Callable[[IO[bytes]], object], keep: Path | None = None) -> None:
    """Calls `write` on a new file beside `path`, then renames it into place; what was there becomes `keep`, if named.

    A reader sees the old file or the new one, whatever happens in between, and after the return the new one, also
    when the power fails. With `keep` there may be none at `path` for an instant, and the old one is at `keep` already.

    Raises OSError, which names `path`, when the file cannot be written; it leaves nothing behind.
    """
    try:
        if path.exists() and not path.is_file():  # a device, which root could replace by a file
            raise OSError(errno.EINVAL, "is there and is no file", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files private; results are for the group, as the umask says.
            temporary.chmod(0o666 & ~_umask())
            if keep and path.exists():
                path.replace(keep)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        if error.errno is None:
            raise
        # A full disk shows at any of these calls, most of which know no name, or only the temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _sync_directory(path: Path) -> None:
    """Makes renames in the directory outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems do not know this call for directories, and offer nothing in its place.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_temporaries(path: Path) -> None:
    """Deletes what writers that were killed have left at and below the directory. No other writer may be at work."""
    for file in path.rglob(f".*{TEMPORARY}"):
        file.unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """Raises UsageError where the path is a file, or can be no folder. Makes nothing."""
    try:
        reason = None if stat.S_ISDIR(path.stat().st_mode) else "it is a file"
    except FileNotFoundError:
        reason = None
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise UsageError(f"{_clipped(path)}: cannot write there ({reason}). Choose another folder")


def check_writable(path: Path) -> None:
    """Makes the directory, if need be.

    Raises UsageError where no files can be written there, and BenchError where there is no room for them.
    """
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        kind = BenchError if error.errno in NO_ROOM else UsageError
        raise kind(f"{_clipped(path)}: cannot write there ({error.strerror}). Choose another folder") from error


def _clipped(path: Path) -> str:
    """For a message: a name may be long, and hold what would reach the terminal."""
    text = str(path)
    return printable(text if len(text) <= 200 else f"{text[:200]}…")


def write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: Any) -> None:
    """JSON with one key a line. NaN and infinities are refused (ValueError): no reader agrees on them."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file, which may be anybody's: it never blocks, and never reads without end.

    Raises OSError where it cannot be read, is no regular file (a folder, a FIFO, a device) or is larger than `most`.
    """
    # No file object: a report reads tens of thousands of small files, and making one takes longer than reading.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        parts, left = [], most + 1
        while left > 0 and (part := os.read(descriptor, min(left, max(status.st_size + 1, 1 << 16)))):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(descriptor)
    if not left:
        raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))
    return b"".join(parts)


def read_json(path: Path) -> Any:
    """Raises OSError as `read_regular`, and ValueError for what is not JSON, or not as `write_json` writes it."""
    try:
        return parse_json(read_regular(path))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_json(content: bytes) -> Any:
    """Raises ValueError, or RecursionError where it is nested too deeply. NaN and infinities are refused."""
    return json.loads(content.decode(), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


@contextmanager
def exclusive(path: Path, wait: bool = True) -> Iterator[None]:
    """Waits for, then holds, the lock file `path`. The kernel lets go of it when the process ends, however it ends.

    Raises BlockingIOError where another process holds it and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)  # at once, even if it is a FIFO
    except PermissionError:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # somebody else's file can be locked all the same
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A temporary directory beside `path` that becomes `path` when the block ends well, and vanishes when it does not.

    Raises OSError when `path` exists and is not empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    temporary.mkdir()  # unlike `tempfile`, for those whom the umask lets in
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_leftovers(path: Path) -> None:
    """Deletes what killed writers of the directory `path` have left beside it. No other may be at work."""
    name = glob.escape(f".{path.name}.")
    for suffix in (TEMPORARY, DOOMED):
        for left in path.parent.glob(f"{name}*{suffix}"):
            shutil.rmtree(left)


def cache_root() -> Path:
    """$BENCH_CACHE, else $XDG_CACHE_HOME/multimodal-prior-bench, else ~/.cache/multimodal-prior-bench.

    Raises DataMissing where none of them says a folder, as in a container whose user has no home.
    """
    if named := os.environ.get("BENCH_CACHE"):
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multimodal-prior-bench"
    except RuntimeError as error:
        raise DataMissing("there is no home folder for the cache here: set BENCH_CACHE to a folder") from error


@contextmanager
def keeping(what: str) -> Iterator[None]:
    """Around what writes a cache: raises DataMissing, for people, where that raises OSError."""
    try:
        yield
    except OSError as error:
        raise DataMissing(
            f"the cache of {what} cannot be written: {error}. Set BENCH_CACHE to a folder with space to spare"
        ) from error


def remove_directory(path: Path) -> None:
    """Takes the directory out of sight in one step, then deletes it; a file or a link in its place as well."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    doomed = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=DOOMED))
    path.replace(doomed)
    shutil.rmtree(doomed)
