"""Blocks and real items of sheets of cross generation."""

import json

import pytest
from PIL import Image

from bench.evaluation.pictures import arranged, grid, layout, save_picture
from bench.reporting.page import page
from bench.reporting.page.pictures import read_picture
from bench.reporting.page.sheets import LAYOUT, Block, blocks_of, real_items
from bench.reporting.rows import read_runs
from tests.bench.reporting.page.conftest import cross_picture, with_pictures
from tests.bench.rundirs import write_run

HEIGHTS = {"image": 6, "text": 10}
SEVERAL = {"modalities": {name: {"kind": name} for name in HEIGHTS}}


def block(given, width, columns=3):
    """Real items of the given modality are red, what is generated is blue."""
    rows = [(HEIGHTS[given], "red"), *((height, "blue") for height in HEIGHTS.values())]
    return grid([[Image.new("RGB", (width, height), colour)] * columns for height, colour in rows])


def save_sheet(path, width):
    """As runs of several kinds of modalities are drawn."""
    blocks = [block(name, width) for name in HEIGHTS]
    save_picture(path, arranged(blocks), layout(blocks, list(HEIGHTS.values())))


@pytest.mark.parametrize("width", [8, 320])
def test_real_items_of_several_kinds_are_found(tmp_path, width):
    """In blocks beside each other, and in wide ones below each other."""
    save_sheet(tmp_path / "sheet.png", width)
    sheet = read_picture(tmp_path / "sheet.png")
    blocks = blocks_of(sheet, list(HEIGHTS))
    for found, name in zip(blocks, HEIGHTS):
        assert found.cut(sheet, found.height).tobytes() == block(name, width).tobytes()
    items = real_items(sheet, blocks)
    assert items.size == (3 * width, 16)
    assert items.getcolors() == [(3 * width * 16, (255, 0, 0))]


def test_they_are_on_the_page(tmp_path):
    run = write_run(tmp_path, config=SEVERAL)
    save_sheet(run / "samples_cross.png", 8)
    text = page(*read_runs(tmp_path))
    assert "Real held-out data" in text
    assert "Cross generation by mmvae from image: real items in the top row" in text
    assert "Cross generation by mmvae from text: real items in the top row" in text


def test_an_older_sheet_of_several_kinds_says_that_real_data_are_not_known(tmp_path):
    with_pictures(write_run(tmp_path, config=SEVERAL))
    text = page(*read_runs(tmp_path))
    assert "Cross generation by mmvae: a block for each given modality" in text
    assert "Real held-out data" not in text
    assert "Real data are not shown beside them" in text


def test_real_items_of_an_older_sheet_of_one_kind_are_the_top_rows_of_the_blocks():
    sheet = cross_picture()
    items = real_items(sheet, blocks_of(sheet, ["image", "image"]))
    row = sheet.height // 3
    assert items.size == ((sheet.width - 4) // 2, 2 * row)
    assert items.crop((0, 0, items.width, row)).tobytes() == sheet.crop((0, 0, items.width, row)).tobytes()
    second = sheet.crop((items.width + 4, 0, sheet.width, row))
    assert items.crop((0, row, items.width, 2 * row)).tobytes() == second.tobytes()
    assert blocks_of(sheet, ["image"] * 3) is None
    assert blocks_of(sheet, []) is None


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[" * 100_000,
        "[]",
        "{}",
        json.dumps({"blocks": [[0, 0, 5, 5]], "real": [1, 2]}),
        json.dumps({"blocks": [[0, 0, 5, 5]], "real": [1]}),
        json.dumps({"blocks": [[0, 0, 5, 5], [5, 0, 6, 5]], "real": [1, 1]}),
        json.dumps({"blocks": [[0, 0, 5, 5], [5, 0, 5, 5]], "real": [1, 6]}),
        json.dumps({"blocks": [[0, 0, 5, 5], [-1, 0, 5, 5]], "real": [1, 1]}),
        json.dumps({"blocks": [[0, 0, 5, 5], [8, 0, 5, 5]], "real": [1, 1]}),
        json.dumps({"blocks": [[0, 0, 5, 5], [5, 0, 5, "5"]], "real": [1, 1]}),
        json.dumps({"blocks": [[0, 0, 5, 5], [5, 0, 5, 5]], "real": [1, True]}),
    ],
)
def test_an_impossible_layout_is_none(text):
    sheet = Image.new("RGB", (12, 9))
    sheet.info[LAYOUT] = text
    assert blocks_of(sheet, ["image", "image"]) is None


def test_a_possible_layout_is_one():
    sheet = Image.new("RGB", (12, 9))
    sheet.info[LAYOUT] = json.dumps({"blocks": [[0, 0, 5, 5], [7, 0, 5, 9]], "real": [1, 9]})
    assert blocks_of(sheet, ["image", "text"]) == [Block(0, 0, 5, 5, 1), Block(7, 0, 5, 9, 9)]
