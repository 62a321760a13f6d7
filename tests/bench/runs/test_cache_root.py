"""Where the cache is."""

from pathlib import Path

import pytest

from bench.errors import DataMissing
from bench.runs.store import cache_root


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert cache_root() == Path("/one")
    monkeypatch.delenv("BENCH_CACHE")
    assert cache_root() == Path("/two/multimodal-prior-bench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/three")
    assert cache_root() == Path("/three/.cache/multimodal-prior-bench")


def test_without_a_home_the_way_to_name_a_cache_is_told(monkeypatch):
    for name in ("BENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(DataMissing, match="set BENCH_CACHE"):
        cache_root()
