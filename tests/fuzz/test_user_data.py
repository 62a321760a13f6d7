import pytest

from bench.errors import DataMissing
from tests.fuzz import user_data
from tests.fuzz.user_data import Failure, fuzz


def test_some_rounds_find_nothing():
    assert fuzz(60, 1, iter(range(60))) == 60


@pytest.mark.parametrize("fault", [ValueError("oops"), DataMissing("a file is damaged")])
def test_a_reader_without_a_sentence_would_be_found(monkeypatch, fault):
    def faulty(*_arguments):
        raise fault

    write_all = user_data.write_all
    monkeypatch.setattr(user_data, "write_all", lambda folder: dict.fromkeys(write_all(folder), faulty))
    with pytest.raises(Failure, match="seed 0, round 0"):
        fuzz(60, 0, iter(range(1)))
