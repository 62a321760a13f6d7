"""A folder of arrays, and what is said where something is wrong with it."""

import os
from pathlib import Path

import pytest

from bench.datasets.arrays import ARRAYS
from bench.errors import DataMissing
from tests.arrays import write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "mine")


def refused(folder):
    """The sentence, after the folder's name. Nothing is cached."""
    cache = os.environ["BENCH_CACHE"]
    for read in (ARRAYS.load, ARRAYS.fingerprint, ARRAYS.modalities):
        with pytest.raises(DataMissing) as caught:
            read("auto", folder)
        sentence = str(caught.value)
        assert sentence.isprintable()
        assert not [name for _, _, files in os.walk(cache) for name in files if not name.endswith(".lock")]
    return sentence.replace(f"{folder}/", "")
