from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.datasets.cache import cached
from tests.bench.datasets.test_cache import ARRAYS, folders


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / "a.npy").read_bytes())
    content[-5] ^= 1
    (folder / "a.npy").write_bytes(content)


def truncate(folder: Path) -> None:
    os.truncate(folder / "a.npy", 150)


def remove_an_array(folder: Path) -> None:
    (folder / "b.npy").unlink()


def garble_meta(folder: Path) -> None:
    (folder / "meta.json").write_bytes(b"\xff{")


def remove_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()


def list_for_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("[]")


def change_fingerprint(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"fingerprint": "0" * 64}))


def damaged_type(folder: Path) -> None:
    (folder / "meta.json").write_text('{"files": [], "fingerprint": ""}')


def fifo_for_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()
    os.mkfifo(folder / "meta.json")


def folder_for_an_array(folder: Path) -> None:
    (folder / "a.npy").unlink()
    (folder / "a.npy").mkdir()


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def file_for_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("hello")


def dangling_link(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder.with_name("nowhere"))


def drop_an_entry(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    del meta["files"]["b"]
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        truncate,
        remove_an_array,
        garble_meta,
        remove_meta,
        list_for_meta,
        change_fingerprint,
        drop_an_entry,
        damaged_type,
        fifo_for_meta,
        folder_for_an_array,
        empty,
        file_for_folder,
        dangling_link,
    ],
)
def test_a_damaged_cache_is_reported_and_built_again(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = cached("toy/x", 1, [], lambda: ARRAYS)
    (folder,) = folders(tmp_path)
    damage(folder)
    with caplog.at_level(logging.WARNING, logger="bench"):
        second = cached("toy/x", 1, [], lambda: ARRAYS)
        cached("toy/x", 1, [], dict)
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["is damaged" in message for message in warnings] == [True]
    assert second[1] == first[1]
    assert all((second[0][name].numpy() == array).all() for name, array in ARRAYS.items())
