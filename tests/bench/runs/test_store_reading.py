"""JSON and other small files: what is written comes back, and what anybody may have put there is refused at once."""

import json

import pytest

from bench.runs.store import read_json, read_regular, write_json
from tests.bench.runs.hostile import PLACED, put


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


@pytest.mark.parametrize("what", PLACED)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, what):
    put(tmp_path / "file", what)
    with pytest.raises(OSError, match="file"):
        read_regular(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        read_json(tmp_path / "file")


def test_a_file_is_not_read_without_end(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 11)
    assert read_regular(tmp_path / "file", most=11) == b"x" * 11
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_regular(tmp_path / "file", most=10)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "[" * 10**5, "\udcff", "9" * 5000])
def test_text_that_is_no_json_of_ours_is_a_value_error(tmp_path, text):
    (tmp_path / "file").write_text(text, errors="surrogateescape")
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "file")
