"""Arrays that are built once, kept on disk, checked before each use and shared by parallel runs."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.runs.store import cache_root, exclusive, keeping, new_directory, read_json, write_json

Arrays = Mapping[str, NDArray[Any]]

logger = logging.getLogger("bench")


def cached(
    name: str, version: int, inputs: Sequence[Path], build: Callable[[], Arrays]
) -> tuple[dict[str, Tensor], str]:
    """The arrays of `build` as tensors over memory-mapped files, and their fingerprint.

    They are built when there is no cache for this name, version and state of the inputs, or when it is damaged. Safe
    to call from several processes at once: one builds, the others wait.

    Args:
        name: folder and beginning of the cache's name, such as "polymnist/rebuilt".
        version: of `build`; caches of other versions are left alone.
        inputs: the files or folders that `build` reads.

    Raises:
        DataMissing: when the cache cannot be written. What `build` raises is passed on, and leaves no cache.
    """
    # Of a folder of 60,000 images only the folder's own time of change is asked: asking each would take minutes on a
    # network file system. An image that is edited in place goes unnoticed.
    stats = [(str(path.resolve()), path.stat()) for path in inputs]
    identity = json.dumps([version, [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]])
    folder = cache_root() / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    with keeping(name), exclusive(folder.with_name(f".{folder.name}.lock")):
        return _read_or_build(folder, build)


def fingerprint(sums: Mapping[str, str]) -> str:
    """SHA-256 over the arrays' own `checksum`s {name: sum}."""
    return hashlib.sha256("".join(sums[name] for name in sorted(sums)).encode()).hexdigest()


def checksum(name: str, array: NDArray[Any]) -> str:
    """SHA-256 over name, type, shape and content."""
    digest = hashlib.sha256(f"{name} {array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read_or_build(folder: Path, build: Callable[[], Arrays]) -> tuple[dict[str, Tensor], str]:
    if folder.exists():
        try:
            return _read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("cache %s is damaged (%s): removed, building it again", folder, error)
            shutil.rmtree(folder)
    arrays = build()
    with new_directory(folder) as new:
        _write(new, arrays)
    return _read(folder)


def _write(folder: Path, arrays: Arrays) -> None:
    files: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        np.save(path, array)
        crc = zlib.crc32(path.read_bytes())
        files[name] = {"sha256": checksum(name, array), "bytes": path.stat().st_size, "crc32": crc}
    write_json(folder / "meta.json", {"fingerprint": _fingerprint_of(files), "files": files})


def _read(folder: Path) -> tuple[dict[str, Tensor], str]:
    """Raises OSError, ValueError, KeyError or TypeError on damage."""
    meta = read_json(folder / "meta.json")
    if _fingerprint_of(meta["files"]) != meta["fingerprint"]:
        raise ValueError("meta.json contradicts itself")
    tensors = {}
    for name, file in meta["files"].items():
        path = folder / f"{name}.npy"
        if path.stat().st_size != file["bytes"] or zlib.crc32(path.read_bytes()) != file["crc32"]:
            raise ValueError(f"{path.name} has another size or checksum")
        # Copy-on-write, because torch warns about arrays that it could not write to.
        tensors[name] = torch.from_numpy(np.load(path, mmap_mode="c"))
    return tensors, meta["fingerprint"]


def _fingerprint_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    return fingerprint({name: file["sha256"] for name, file in files.items()})
