"""What counts as an entry of the cache, and what is never deleted."""

import os

import numpy as np
import pytest

from bench.datasets.cache import cached
from bench.runs.cache_entries import entries, remove, strangers
from bench.runs.store import cache_root, exclusive


def make(name="toy/bundled"):
    cached(name, 1, [], lambda: {"x": np.zeros(1000, np.uint8)})


@pytest.fixture
def root():
    make()
    return cache_root()


def classifiers(root, name):
    folder = root / "toy" / name
    folder.mkdir(parents=True)
    (folder / "m0.pt").write_bytes(b"12345")
    (folder / "meta.json").write_text("{}")
    return folder


def names(root):
    return [entry.name for entry in entries(root)]


def test_data_and_classifiers_are_entries_with_their_sizes(root):
    classifiers(root, "classifiers-0123456789abcdef-v6")
    classifiers(root, "published-classifiers-0123456789abcdef-v1")
    data, ours, published = entries(root)
    assert data.what == "data (bundled)"
    assert data.size > 1000
    assert (ours.what, ours.size) == ("classifiers", 7)
    assert published.what == "classifiers of the published protocol"
    assert strangers(root) == []


def test_what_a_killed_process_left_is_an_entry(root):
    left = classifiers(root, ".classifiers-0123456789abcdef-v6.1234abcd.tmp")
    (entry, _) = entries(root)
    assert entry.what == "left by a process that was killed: classifiers"
    assert remove(entry)
    assert not left.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.rename(folder.with_name("holiday")),
        lambda folder: folder.rename(folder.with_name("holiday-0123456789abc")),
        lambda folder: (folder / "meta.json").unlink(),
        lambda folder: (folder / "thesis.docx").write_text("all of it"),
        lambda folder: (folder / "deep").mkdir(),
        lambda folder: (folder / "y.npy").symlink_to("/etc/passwd"),
    ],
)
def test_what_is_not_in_every_respect_an_entry_is_left_alone(root, spoil):
    (entry,) = entries(root)
    spoil(entry.path)
    assert entries(root) == []
    assert len(strangers(root)) == 1


def test_links_are_not_followed_out_of_the_cache(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (root / "toy").rename(elsewhere)
    (root / "toy").symlink_to(elsewhere)
    assert entries(root) == []
    assert strangers(root) == ["toy"]
    (root / "toy").unlink()
    (root / "toy").mkdir()
    (inner,) = (path for path in elsewhere.iterdir() if path.is_dir())
    (root / "toy" / inner.name).symlink_to(inner)
    assert entries(root) == []
    assert strangers(root) == [f"toy/{inner.name}"]


def test_an_entry_that_becomes_a_link_is_removed_as_a_link(root, tmp_path):
    (entry,) = entries(root)
    precious = tmp_path / "precious"
    entry.path.rename(precious)
    os.symlink(precious, entry.path)
    assert remove(entry)
    assert not os.path.lexists(entry.path)
    assert (precious / "x.npy").exists()


def test_what_a_process_is_making_is_left(root):
    (entry,) = entries(root)
    with exclusive(entry.path.with_name(f".{entry.path.name}.lock")):
        assert not remove(entry)
    assert entry.path.exists()
    assert remove(entry)
    make()  # and it is made again
    assert names(root) == [entry.name]


def test_without_a_cache_there_is_nothing(tmp_path):
    assert entries(tmp_path / "none") == strangers(tmp_path / "none") == []
