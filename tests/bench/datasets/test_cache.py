from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import bench
from bench.datasets.cache import cached, cached_fingerprint, crc32, mapped
from bench.errors import DataMissing
from bench.runs import store

ARRAYS = {"a": np.arange(200, dtype=np.uint8).reshape(2, 100), "b": np.array([1, -1])}


def folders(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "toy").glob("[!.]*"))


def test_tensors_are_what_was_built(tmp_path: Path) -> None:
    tensors, _ = cached("toy/x", 1, [], lambda: ARRAYS)
    assert {name: x.dtype for name, x in tensors.items()} == {"a": torch.uint8, "b": torch.int64}
    assert all((tensors[name].numpy() == array).all() for name, array in ARRAYS.items())
    assert [folder.name.startswith("x-") for folder in folders(tmp_path)] == [True]


def test_the_second_time_nothing_is_built() -> None:
    first, fingerprint = cached("toy/x", 1, [], lambda: ARRAYS)
    second, again = cached("toy/x", 1, [], lambda: pytest.fail("built twice"))
    assert again == fingerprint
    assert all(torch.equal(second[name], x) for name, x in first.items())


def test_that_data_are_built_is_told_before_they_are() -> None:
    """By every command; with -v also what the cache does, with -q nothing."""
    code = """
import argparse, sys
from bench.commands.options import volume_of
from bench.datasets.cache import cached
from bench.errors import log_to_stderr
log_to_stderr()
volume_of(argparse.Namespace(verbose="-v" in sys.argv, quiet="-q" in sys.argv))
for _ in range(2):
    cached("toy/bundled", 1, [], lambda: print("built", file=sys.stderr) or {})
"""

    def said(option: str) -> list[str]:
        shutil.rmtree(store.cache_root(), ignore_errors=True)
        command = [sys.executable, "-c", code, option]
        result = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(bench.__file__).parents[1]
        )
        return result.stderr.splitlines()

    assert said("") == ["bench: building toy (bundled) in the cache, once for these data", "built"]
    assert said("-q") == ["built"]
    assert [line.split()[-1] for line in said("-v") if line.startswith("DEBUG")][1:] == ["made", "read"]


def test_writing_into_a_tensor_leaves_the_cache_alone() -> None:
    cached("toy/x", 1, [], lambda: ARRAYS)[0]["a"].zero_()
    assert cached("toy/x", 1, [], dict)[0]["a"].sum() > 0


def test_a_file_may_be_larger_than_the_memory(tmp_path: Path) -> None:
    rows, numbers = 3 * os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    with (tmp_path / "large.npy").open("wb") as file:  # a hole: it takes no room on the disk
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (rows, numbers)})
        file.truncate(file.tell() + rows * numbers)
    tensor = mapped(tmp_path / "large.npy")
    assert tensor.shape == (rows, numbers)
    assert tensor[torch.tensor([0, rows - 1])].sum() == 0


def test_the_sum_of_a_file_is_that_of_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.datasets.cache.BLOCK", 7)
    (tmp_path / "file").write_bytes(bytes(range(100)))
    assert crc32(tmp_path / "file") == zlib.crc32(bytes(range(100)))


@pytest.mark.parametrize("array", [np.asfortranarray(np.arange(6).reshape(2, 3)), np.zeros((0, 3)), np.array(7)])
def test_arrays_of_every_form_are_mapped(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    assert (mapped(tmp_path / "a.npy").numpy() == array).all()


def test_another_name_version_or_input_is_another_cache(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_text("1")
    keys = [("toy/x", 1, []), ("toy/y", 1, []), ("toy/x", 2, []), ("toy/x", 1, [file])]
    for key in keys:
        cached(*key, lambda: ARRAYS)
    file.write_text("22")
    cached("toy/x", 1, [file], lambda: ARRAYS)
    assert len(folders(tmp_path)) == 5


@pytest.mark.parametrize(
    "other",
    [
        ARRAYS | {"b": np.array([1, -2])},
        ARRAYS | {"b": np.array([1, -1], np.int32)},
        ARRAYS | {"a": ARRAYS["a"].reshape(100, 2)},
        {"a": ARRAYS["a"], "c": ARRAYS["b"]},
    ],
)
def test_the_fingerprint_covers_name_type_shape_and_content(other: dict[str, np.ndarray]) -> None:
    prints = [cached(f"toy/{i}", 1, [], lambda a=a: a)[1] for i, a in enumerate((ARRAYS, other, dict(ARRAYS)))]
    assert prints[0] == prints[2] != prints[1]


def test_a_failed_write_leaves_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_halfway(path: Path, _array: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", fail_halfway)
        with pytest.raises(DataMissing, match=r"cache of toy/x .*No space left on device.*BENCH_CACHE"):
            cached("toy/x", 1, [], lambda: ARRAYS)
    assert [path.suffix for path in (tmp_path / "cache" / "toy").iterdir()] == [".lock"]


def test_the_fingerprint_alone_needs_no_array_and_builds_what_is_not_there(tmp_path: Path) -> None:
    fingerprint = cached_fingerprint("toy/x", 1, [], lambda: ARRAYS)
    (folder,) = folders(tmp_path)
    os.truncate(folder / "a.npy", 150)
    assert cached_fingerprint("toy/x", 1, [], lambda: pytest.fail("built twice")) == fingerprint
    (folder / "meta.json").write_bytes(b"\xff{")
    assert cached_fingerprint("toy/x", 1, [], lambda: ARRAYS) == fingerprint
    assert cached("toy/x", 1, [], lambda: pytest.fail("built twice"))[1] == fingerprint


def test_an_input_that_has_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"gone is no readable input \(No such file"):
        cached("toy/x", 1, [tmp_path / "gone"], lambda: ARRAYS)


def test_a_whole_cache_on_a_disk_that_cannot_be_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    first = cached("toy/x", 1, [], lambda: ARRAYS)[1]

    def read_only(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("mkdir", "chmod", "unlink", "replace"):
        monkeypatch.setattr(Path, name, read_only)
    monkeypatch.setattr(store.fcntl, "flock", read_only)
    assert cached("toy/x", 1, [], lambda: ARRAYS)[1] == first
    with pytest.raises(DataMissing, match=r"toy/y cannot be written: .*Read-only file system.*BENCH_CACHE"):
        cached("toy/y", 1, [], lambda: ARRAYS)


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o775), (0o077, 0o700)])
def test_it_is_for_those_whom_the_umask_lets_in(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        cached("toy/x", 1, [], lambda: ARRAYS)
    finally:
        os.umask(before)
    (folder,) = folders(tmp_path)
    assert folder.stat().st_mode & 0o777 == mode
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {mode & 0o666}


def test_what_killed_builders_leave_is_removed_by_the_next(tmp_path: Path) -> None:
    script = """
import os, signal
import numpy as np
from bench.datasets.cache import cached
np.save = lambda path, array: (path.write_bytes(bytes(1000)), os.kill(os.getpid(), signal.SIGKILL))
cached("toy/x", 1, [], lambda: {"a": np.arange(5)})
"""
    root = Path(bench.__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    parent = tmp_path / "cache" / "toy"
    assert len(list(parent.glob(".x-*.tmp/*"))) == 1
    cached("toy/x", 1, [], lambda: ARRAYS)
    (folder,) = folders(tmp_path)
    assert sorted(path.name for path in parent.iterdir()) == [f".{folder.name}.lock", folder.name]


@pytest.mark.parametrize("obstacle", [os.mkfifo, Path.mkdir])
def test_an_odd_lock_never_blocks(obstacle: Callable[[Path], object], tmp_path: Path) -> None:
    cached("toy/x", 1, [], lambda: ARRAYS)
    (folder,) = folders(tmp_path)
    lock = folder.with_name(f".{folder.name}.lock")
    shutil.rmtree(folder)
    lock.unlink()
    obstacle(lock)
    if lock.is_dir():
        with pytest.raises(DataMissing, match="Is a directory"):
            cached("toy/x", 1, [], lambda: ARRAYS)
    else:
        cached("toy/x", 1, [], lambda: ARRAYS)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("BENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(DataMissing, match=r"no home folder .* set BENCH_CACHE"):
        cached("toy/x", 1, [], lambda: ARRAYS)


def test_two_processes_at_once_build_one_cache(tmp_path: Path) -> None:
    script = f"""
import sys, time
import numpy as np
from bench.datasets.cache import cached, cached_fingerprint, crc32, mapped
def build():
    with open({str(tmp_path / "builds")!r}, "a") as log:
        log.write("build\\n")
    time.sleep(0.3)
    return {{"a": np.arange(5)}}
print("ready", flush=True)
sys.stdin.readline()
print(cached("toy/x", 1, [], build)[1])
"""
    root = Path(bench.__file__).parents[1]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", script], cwd=root, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    fingerprints = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert fingerprints[0] == fingerprints[1] != ""
    assert (tmp_path / "builds").read_text() == "build\n"
    assert len(folders(tmp_path)) == 1
