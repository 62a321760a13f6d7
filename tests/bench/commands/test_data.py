"""`bench data`, on data that are not PolyMNIST's."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.commands import data as command
from bench.datasets import DATASETS
from bench.errors import BenchError, DataMissing, UsageError
from tests.toy import hetero_data


class Toy:
    name, sources = "toy", ("labelled", "bare")

    def load(self, source: str, data_root: Path) -> Any:
        return hetero_data(labels=source == "labelled")

    def fetch(self, data_root: Path, report: Any = None) -> Path:
        report(1, 2)
        return data_root / "toy"


TOY = Toy()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS.targets, "toy", f"{__name__}:TOY")


def bench(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["data", *map(str, arguments)])
    code: int = options.command(options)
    return code


@pytest.mark.parametrize(
    ("source", "labels"), [("labelled", "shape (4 classes), colour (3 classes)"), ("bare", "none")]
)
def test_check_describes_every_modality(source: str, labels: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("check", "toy", "--source", source) == 0
    first, second, *modalities = capsys.readouterr().out.splitlines()
    assert first.startswith("hetero: source bundled, fingerprint 0000")
    assert second == f"96 training and 40 test tuples; labels: {labels}"
    assert modalities == [
        "photo: image 3×28×28, laplace likelihood",
        "sketch: image 1×32×32, laplace likelihood",
        "caption: text 6, categorical likelihood",
    ]


def test_show_writes_a_contact_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sheet.png"
    assert bench("show", "toy", "--source", "bare", "--picture", path) == 0
    assert capsys.readouterr().out == f"{path}\n"
    with Image.open(path) as sheet:
        assert sheet.width == 10 * 32 * 3


@pytest.mark.parametrize("name", ["", "x" * 300, "file/sheet.png"])
def test_a_picture_that_cannot_be_written_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match=r"(cannot be written|cannot write there) .*Choose another"):
        bench("show", "toy", "--picture", tmp_path / name)


def test_fetch_prints_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("fetch", "toy", "--data-root", tmp_path) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'toy'}\n"


def test_a_dataset_that_cannot_be_fetched_has_no_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataMissing, match="CUB cannot be fetched"):
        bench("fetch", "cub", "--data-root", tmp_path)
    assert capsys.readouterr() == ("", "")


def test_an_unknown_dataset_is_told() -> None:
    with pytest.raises(UsageError, match=r"unknown dataset 'toi': did you mean 'toy'\?"):
        bench("check", "toi")
