import itertools

import pytest

from tests.fuzz import run_directories
from tests.fuzz.run_directories import Failure, fuzz


def test_some_rounds_find_nothing():
    assert fuzz(60, 1, iter(range(1, 8))) == 7


def test_a_lost_run_would_be_found(monkeypatch):
    real = run_directories.make_tables

    def forgetful(out):
        table, runs, failed = real(out)
        (out / "measures.csv").write_text("dataset\n")
        return table, runs, failed

    def rounds():
        monkeypatch.setattr(run_directories, "make_tables", forgetful)
        yield from itertools.count(1)

    with pytest.raises(Failure, match=r"seed 0, round 1, after\n.*\n(.*\n)*report lost rows of undamaged runs"):
        fuzz(60, 0, rounds())
