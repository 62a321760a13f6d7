"""`bench cache`."""

import builtins
import sys

import numpy as np
import pytest

from bench.cli import main
from bench.commands.cache import size
from bench.datasets.cache import cached
from bench.runs.cache_entries import entries
from bench.runs.store import cache_root


@pytest.fixture
def root():
    for name in ("toy/bundled", "toy/official"):
        cached(name, 1, [], lambda: {"x": np.zeros(2_000_000, np.uint8)})
    (cache_root() / "letter.txt").write_text("mine")
    return cache_root()


def answer(monkeypatch, text):
    """At a terminal."""
    asked = []

    def reply(question):
        asked.append(question)
        if text is None:
            raise EOFError
        return text

    monkeypatch.setattr(builtins, "input", reply)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    return asked


def test_what_is_there_is_listed_with_sizes(root, capsys):
    assert main(["cache", "list"]) == 0
    first, second, total, others = capsys.readouterr().out.splitlines()
    assert first.split()[:5] == [entries(root)[0].name, "data", "(bundled)", "2", "MB"]
    assert second.startswith("toy/official-")
    assert total == f"2 entries, 4 MB in {root}"
    assert others == "not made by bench, and kept: letter.txt"


def test_an_empty_cache_is_no_error(capsys):
    assert main(["cache", "list"]) == main(["cache", "clear"]) == 0
    assert "0 entries, 0 bytes" in capsys.readouterr().out


def test_nothing_is_deleted_without_a_word_of_agreement(root, monkeypatch, capsys):
    for text in ("", "n", "what?", None):
        asked = answer(monkeypatch, text)
        assert main(["cache", "clear"]) == 1
        assert asked == [f"Delete 2 entries, 4 MB in {root}? [y/N] "]
    assert "nothing was deleted" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert main(["cache", "clear"]) == 2
    assert "say --yes" in capsys.readouterr().err
    assert len(entries(root)) == 2


def test_what_is_agreed_to_is_deleted_and_nothing_else(root, monkeypatch, capsys):
    answer(monkeypatch, "y")
    assert main(["cache", "clear"]) == 0
    assert entries(root) == []
    assert (root / "letter.txt").read_text() == "mine"
    assert capsys.readouterr().out.count("(2 MB): deleted") == 2


def test_one_entry_can_be_named(root, capsys):
    name = entries(root)[0].name
    assert main(["cache", "clear", name[:-1], "--yes"]) == 2
    assert f"did you mean '{name}'" in capsys.readouterr().err
    assert main(["cache", "clear", name, name, "--yes"]) == 0
    assert [entry.name.partition("-")[0] for entry in entries(root)] == ["toy/official"]


def test_a_folder_that_cannot_be_read_is_named(root, monkeypatch, capsys):
    def refuse(_root):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bench.runs.cache_entries.entries", refuse)
    assert main(["cache", "list"]) == 1
    assert f"{root} cannot be read (Permission denied)" in capsys.readouterr().err


def test_sizes_are_for_people():
    assert [size(n) for n in (0, 999, 1000, 388_347_555, 1.2e9)] == ["0 bytes", "999 bytes", "1 kB", "388 MB", "1.2 GB"]
