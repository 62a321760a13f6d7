import json
import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench.store import (
    cache_root,
    exclusive,
    new_directory,
    read_json,
    remove_directory,
    write_atomic,
    write_json,
    write_text,
)


def fail(file):
    file.write(b"half of the new content")
    raise RuntimeError("disk on fire")


def test_a_write_makes_folders_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_text(path, "old")
    write_text(path, "neu: ä")
    assert path.read_bytes() == "neu: ä".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="disk on fire"):
        write_atomic(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_not_there_before_it_is_whole(tmp_path):
    path = tmp_path / "file"
    seen = []
    write_atomic(path, lambda file: (file.write(b"new"), seen.append(path.exists())))
    assert (seen, path.read_bytes()) == ([False], b"new")


def test_files_are_for_whom_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "text")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_json_comes_back(tmp_path):
    value = {"a": [1, 2.5, None], "ü": {"b": True}}
    write_json(tmp_path / "file", value)
    assert read_json(tmp_path / "file") == value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_a_meaning_is_refused(tmp_path, value):
    write_json(tmp_path / "file", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"loss": value})
    assert json.loads((tmp_path / "file").read_text()) == 1


def test_a_lock_keeps_another_process_out(tmp_path):
    script = "import sys; from pathlib import Path; from bench.store import exclusive\nprint('ready', flush=True)\n"
    script += "with exclusive(Path(sys.argv[1])): print('in', flush=True)"
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    with exclusive(tmp_path / "lock"):
        other = subprocess.Popen(command, cwd=Path(bench.__file__).parents[1], stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "ready\n"
        assert not select.select([other.stdout], [], [], 0.3)[0]
    assert other.communicate(timeout=60)[0] == "in\n"


def test_a_lock_is_free_again_after_a_failure(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), exclusive(tmp_path / "folder" / "lock"):
            raise RuntimeError


def test_a_directory_appears_whole(tmp_path):
    target = tmp_path / "a" / "target"
    with new_directory(target) as folder:
        (folder / "file").write_text("text")
        assert not target.exists()
    assert (target / "file").read_text() == "text"
    assert list(target.parent.iterdir()) == [target]


def interrupted_directory(path):
    with new_directory(path) as folder:
        (folder / "file").write_text("text")
        raise KeyboardInterrupt


def test_or_not_at_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted_directory(tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_content_is_not_replaced(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").touch()
    with pytest.raises(OSError, match="not empty"), new_directory(tmp_path / "target") as folder:
        (folder / "file").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["target", "mine"]


def test_a_removed_directory_leaves_nothing(tmp_path):
    (tmp_path / "target" / "deep").mkdir(parents=True)
    (tmp_path / "target" / "deep" / "file").touch()
    remove_directory(tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert cache_root() == Path("/one")
    monkeypatch.delenv("BENCH_CACHE")
    assert cache_root() == Path("/two/multimodal-prior-bench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/three")
    assert cache_root() == Path("/three/.cache/multimodal-prior-bench")
