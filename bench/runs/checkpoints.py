"""Checkpoint files: torch's own format with a checksum, and the one before kept until the run is finished.

torch writes ZIP archives but does not look at their checksums when it reads. Ours carry a SHA-256 of everything before
it as the archive's comment, a field of the ZIP format, so `torch.load` and `unzip` read them as any other checkpoint.
"""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch

from bench.errors import BenchError
from bench.runs.store import previous, write_atomic

log = logging.getLogger("bench")

_DIGEST = 64  # hex digits of a SHA-256


class Damaged(Exception):
    """The file is not what was written."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes the content to `path`; what was there becomes `previous(path)`.

    At every instant, and after a power cut, one of the two is whole. Raises OSError when the file cannot be written.
    """
    # Into memory first: torch hides the cause of a failed write, such as a full disk, behind an error of its own.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomic(path, lambda file: file.writelines(_sealed(buffer.getbuffer())), keep=previous(path))


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """The content that `save` wrote, tensors on `device`; no code in the file is run.

    Raises:
        Damaged: the checksum does not fit, or there is none.
        OSError: the file is absent or cannot be read.
        pickle.UnpicklingError: the file was sealed as ours are, but holds more than tensors and plain values.
    """
    data = path.read_bytes()
    if hashlib.sha256(data[:-_DIGEST]).hexdigest().encode() != data[-_DIGEST:]:
        raise Damaged("its checksum does not fit its content")
    content: dict[str, Any] = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    return content


def read_latest(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The content of `path`, or where that is damaged or absent of the one before, which then takes its place.

    None where neither exists. Raises BenchError if there is one and none is whole; what `read` raises is passed on.
    """
    before = previous(path)
    if not path.exists() and not before.exists():
        return None
    try:
        return read(path, device)
    except (Damaged, OSError) as damage:
        if not before.exists():
            raise BenchError(f"{path} cannot be used ({damage}), and no earlier one is kept. {RETRAIN}") from damage
        # A writer that was killed between its two renames leaves none at `path`: nothing is lost then.
        if path.exists():
            log.warning("%s cannot be used (%s): resuming from %s", path, damage, before.name)
    try:
        content = read(before, device)
    except (Damaged, OSError) as damage:
        raise BenchError(f"neither {path} nor {before.name} can be used ({damage}). {RETRAIN}") from damage
    # Else the next `save` would keep the damaged one, and have no whole one until it is done.
    before.replace(path)
    return content


RETRAIN = "`bench run --force` trains the run again"


def _sealed(archive: memoryview) -> tuple[memoryview, bytes, bytes]:
    """The ZIP archive with a comment: its length, which is the archive's last field, and the comment."""
    length = _DIGEST.to_bytes(2, "little")
    digest = hashlib.sha256(archive[:-2])
    digest.update(length)
    return archive[:-2], length, digest.hexdigest().encode()
