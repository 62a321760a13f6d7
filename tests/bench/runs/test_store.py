"""Files are written whole or not at all, where they can be written; and one process at a time has a lock."""

import errno
import os
import select
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import bench
from bench.errors import BenchError, UsageError
from bench.runs.store import check_folder, check_writable, exclusive, remove_temporaries, write_atomic, write_text


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


def sync_calls(monkeypatch):
    """What fsync was called for: names, in the order of the calls."""
    seen = []
    fsync = os.fsync
    link = "/proc/self/fd/{}".format

    def call(descriptor):
        fsync(descriptor)
        seen.append(Path(os.readlink(link(descriptor))))

    monkeypatch.setattr(os, "fsync", call)
    return seen


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc for the names of descriptors")
def test_content_is_made_lasting_before_it_is_renamed_and_the_name_after(tmp_path, monkeypatch):
    seen = sync_calls(monkeypatch)
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *names: (seen.append(Path("rename")), replace(*names))[1])
    write_text(tmp_path / "file", "text")
    assert [path.suffix or path.name for path in seen] == [".tmp", "rename", tmp_path.name]


def test_what_was_there_can_be_kept(tmp_path):
    path, kept = tmp_path / "file", tmp_path / "kept"
    for text in ("1", "2", "3"):
        write_atomic(path, lambda file, text=text: file.write(text.encode()), keep=kept)
    assert (path.read_text(), kept.read_text()) == ("3", "2")
    assert len(list(tmp_path.iterdir())) == 2


def raising(error):
    def fail(*_arguments, **_options):
        raise error

    return fail


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("module", "call", "error"),
    [
        (os, "fsync", FULL),
        (os, "replace", FULL),
        (tempfile, "mkstemp", FULL),
        (tempfile, "mkstemp", PermissionError(errno.EACCES, "Permission denied")),
        (tempfile, "mkstemp", OSError(errno.EROFS, "Read-only file system")),
    ],
)
def test_a_disk_that_takes_no_more_is_an_error_that_names_the_file(tmp_path, monkeypatch, module, call, error):
    path = tmp_path / "file"
    write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(module, call, raising(error))
        with pytest.raises(type(error), match=rf"{error.strerror}: '{path}'$"):
            write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_halfway_leaves_nothing_of_the_half(tmp_path):
    def write(file):
        file.write(b"half")
        file.flush()
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        write_atomic(tmp_path / "file", write)
    assert list(tmp_path.iterdir()) == []


def test_file_systems_that_cannot_sync_directories_will_do(tmp_path, monkeypatch):
    fsync = os.fsync

    def files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    write_text(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"


def test_temporaries_of_killed_writers_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in (".file.abc.tmp", "folder/.file.abc.tmp", "file", "results.tmp"):
        (tmp_path / name).touch()
    remove_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "results.tmp"]


def test_a_folder_that_takes_files_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_in_place_of_the_folder_is_explained(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(BenchError, match=rf"{path}: cannot write there.*another folder"):
            check_writable(path)


@pytest.mark.parametrize(("number", "code"), [(errno.EACCES, 2), (errno.ENOENT, 2), (errno.ENOSPC, 1)])
def test_a_place_that_cannot_be_written_is_usage_and_a_full_disk_is_not(tmp_path, monkeypatch, number, code):
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(OSError(number, "no")))
    with pytest.raises(BenchError) as error:
        check_writable(tmp_path)
    assert error.value.exit_code == code


def test_looking_at_a_folder_makes_none(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("x" * 300)):
        with pytest.raises(UsageError, match="cannot write there"):
            check_folder(path)


def test_a_folder_that_is_read_only_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(OSError(errno.EROFS, "Read-only file system")))
    with pytest.raises(BenchError, match="Read-only file system"):
        check_writable(tmp_path)


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is no file"):
        write_text(tmp_path / "pipe", "text")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_lock_keeps_another_process_out(tmp_path):
    script = (
        "import sys; from pathlib import Path; from bench.runs.store import exclusive\nprint('ready', flush=True)\n"
    )
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
