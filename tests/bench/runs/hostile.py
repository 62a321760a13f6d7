"""What may lie in place of a file: for whoever reads files that he has not written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def folder(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLACED: dict[str, Callable[[Path], None]] = {
    "folder": folder,
    "fifo": fifo,
    "dangling link": dangling,
    "link to itself": loop,
    "endless device": device,
}


def put(path: Path, what: str) -> None:
    """Puts it in place of whatever is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        path.unlink()
    PLACED[what](path)
