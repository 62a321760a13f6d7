"""What is made once, kept on disk, checked before each use and shared by parallel runs."""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.datasets.files import check_file, reason, refusing
from bench.runs.store import (
    cache_root,
    exclusive,
    keeping,
    new_directory,
    read_json,
    remove_directory,
    remove_leftovers,
    write_json,
)

Arrays = Mapping[str, NDArray[Any]]
T = TypeVar("T")

logger = logging.getLogger("bench")

BLOCK = 1 << 24  # bytes of a file that are read at once
NO_RESERVE = 0x4000 if sys.platform == "linux" else 0  # MAP_NORESERVE, which mmap names from Python 3.13 on


def kept(folder: Path, what: str, read: Callable[[Path], T], fill: Callable[[Path], object]) -> T:
    """What `read` makes of the folder, which `fill` writes first where there is none or `read` raises on its damage.

    Safe to call from several processes at once: one fills it, the others wait. A folder appears whole or not at all,
    so that a whole one needs no lock, and may lie on a disk that cannot be written.

    Args:
        what: for messages ("polymnist's classifiers").

    Raises:
        DataMissing: when the cache cannot be written. What `fill` raises else is passed on, and leaves no folder.
    """
    with keeping(what):
        try:
            found = read(folder)
        except Exception as error:  # none yet; or damaged, of which one process tells, with the lock
            logger.debug("cache %s cannot be read (%s)", folder, reason(error))
        else:
            logger.debug("cache %s: read", folder)
            return found
        with exclusive(folder.with_name(f".{folder.name}.lock")):
            remove_leftovers(folder)
            if os.path.lexists(folder):
                try:
                    return read(folder)
                except MemoryError:
                    raise  # says nothing about the files
                except Exception as error:
                    logger.warning("cache %s is damaged (%s): removed, made again", folder, reason(error))
                    remove_directory(folder)
            with new_directory(folder) as new:
                fill(new)
        logger.debug("cache %s: made", folder)
        return read(folder)


def cached(
    name: str, version: int, inputs: Sequence[Path], build: Callable[[], Arrays]
) -> tuple[dict[str, Tensor], str]:
    """The arrays of `build` as tensors over memory-mapped files, and their fingerprint.

    They are built when there is no cache for this name, version and state of the inputs, or when it is damaged.

    Args:
        name: folder and beginning of the cache's name, such as "polymnist/rebuilt".
        version: of `build`; caches of other versions stay.
        inputs: the files or folders that `build` reads.

    Raises:
        DataMissing: when an input cannot be found, or the cache cannot be written. What `build` raises is passed on,
            and leaves no cache.
    """
    return kept(_folder(name, version, inputs), name, _read, lambda new: _fill(new, name, build))


def cached_fingerprint(name: str, version: int, inputs: Sequence[Path], build: Callable[[], Arrays]) -> str:
    """The fingerprint that `cached` gives, with the same arguments, without a look at the arrays of a built cache."""

    def read(folder: Path) -> str:
        return str(_read_meta(folder)["fingerprint"])

    return kept(_folder(name, version, inputs), name, read, lambda new: _fill(new, name, build))


def fingerprint(sums: Mapping[str, str]) -> str:
    """SHA-256 over the arrays' own `checksum`s {name: sum}."""
    return hashlib.sha256("".join(sums[name] for name in sorted(sums)).encode()).hexdigest()


def checksum(name: str, array: NDArray[Any]) -> str:
    """SHA-256 over name, type, shape and content."""
    digest = hashlib.sha256(f"{name} {array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _folder(name: str, version: int, inputs: Sequence[Path]) -> Path:
    # Of a folder of 60,000 images only the folder's own time of change is asked: asking each would take minutes on a
    # network file system. An image that is edited in place goes unnoticed.
    stats = []
    for path in inputs:
        with refusing(path, "input"):
            status = path.stat()
            stats.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    identity = json.dumps([version, stats])
    return cache_root() / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _fill(folder: Path, name: str, build: Callable[[], Arrays]) -> None:
    dataset, _, source = name.partition("/")
    logger.info("building %s%s in the cache, once for these data", dataset, f" ({source})" if source else "")
    arrays = build()
    files: dict[str, dict[str, Any]] = {}
    for key, array in arrays.items():
        path = folder / f"{key}.npy"
        np.save(path, array)
        files[key] = {"sha256": checksum(key, array), "bytes": path.stat().st_size, "crc32": crc32(path)}
    write_json(folder / "meta.json", {"fingerprint": _fingerprint_of(files), "files": files})


def _read_meta(folder: Path) -> dict[str, Any]:
    """Raises on damage: OSError, ValueError, or by a wrong type or key."""
    meta: dict[str, Any] = read_json(folder / "meta.json")
    if _fingerprint_of(meta["files"]) != meta["fingerprint"]:
        raise ValueError("meta.json contradicts itself")
    return meta


def _read(folder: Path) -> tuple[dict[str, Tensor], str]:
    """Raises on damage, as `_read_meta`, or DataMissing."""
    meta = _read_meta(folder)
    tensors = {}
    for name, file in meta["files"].items():
        path = folder / f"{name}.npy"
        check_file(path, "array")
        if path.stat().st_size != file["bytes"] or crc32(path) != file["crc32"]:
            raise ValueError(f"{path.name} has another size or checksum")
        tensors[name] = mapped(path)
    return tensors, meta["fingerprint"]


def mapped(path: Path) -> Tensor:
    """The array of an .npy file, which is read where it is looked at, and may be larger than the memory.

    Writing to the tensor leaves the file as it is. Raises OSError or ValueError.
    """
    array = np.load(path, mmap_mode="r")
    if not isinstance(array, np.memmap) or not array.nbytes:  # an archive, or nothing to map
        return torch.from_numpy(np.array(array))
    # Copy-on-write, because torch warns about arrays that it could not write to; but numpy's own (mode "c") makes Linux
    # refuse what is larger than the memory, as if all of it were to be written.
    access = {"flags": mmap.MAP_PRIVATE | NO_RESERVE, "prot": mmap.PROT_READ | mmap.PROT_WRITE}
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, **access)
    order: Literal["C", "F"] = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return torch.from_numpy(np.ndarray(array.shape, array.dtype, content, array.offset, order=order))


def crc32(path: Path) -> int:
    """Of a file of any size."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def _fingerprint_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    return fingerprint({name: file["sha256"] for name, file in files.items()})
