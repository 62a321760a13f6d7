"""Directories appear whole, and vanish whole."""

import pytest

from bench.runs.store import new_directory, remove_directory


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
