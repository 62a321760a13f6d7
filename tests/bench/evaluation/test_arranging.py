"""How pictures are put together to sheets, and which tuples these show."""

import dataclasses

import numpy as np
import torch
from PIL import Image

from bench.evaluation.pictures import GAP, arranged, beside, contact_sheet, grid, save_picture, shown_rows
from tests.bench.conftest import read_picture
from tests.toy import hetero_data, image_data


def test_a_contact_sheet_of_images_is_that_of_all_earlier_versions():
    data = image_data()
    labels = data.test.labels["digit"]
    rows = [int((labels == c % 4).nonzero()[c // 4]) for c in range(10)]
    strips = [torch.cat(list(data.test.items[m.name][rows]), dim=-1) for m in data.modalities]
    image = Image.fromarray(torch.cat(strips, dim=-2).permute(1, 2, 0).numpy())
    expected = image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST)
    assert (np.asarray(contact_sheet(data)) == np.asarray(expected)).all()


def test_wide_blocks_stand_below_each_other_under_one_header():
    wide = [Image.new("RGB", (900, 3), colour) for colour in ("red", "blue")]
    header = Image.new("RGB", (900, 2), "lime")
    column = np.asarray(arranged(wide, header))[:, 0].tolist()
    lime, red, blue, white = [0, 255, 0], [255, 0, 0], [0, 0, 255], [255, 255, 255]
    assert column == [lime] * 2 + [white] * GAP + [red] * 3 + [white] * GAP + [blue] * 3
    narrow = [picture.resize((10, 3)) for picture in wide]
    row = np.asarray(arranged(narrow, header.resize((10, 2))))
    assert row.shape == (5, 20 + GAP, 3)
    assert row[0, 0].tolist() == row[0, -1].tolist() == lime


def test_a_contact_sheet_shows_every_modality():
    data = hetero_data(labels=False)
    sheet = np.asarray(contact_sheet(data, columns=2))
    photo, sketch = data.test.items["photo"], data.test.items["sketch"]
    for column in (0, 1):
        left = column * 96
        assert (sheet[0:84:3, left + 6 : left + 90 : 3].transpose(2, 0, 1) == photo[column].numpy()).all()
        assert (sheet[84:180:3, left : left + 96 : 3, 0] == sketch[column, 0].numpy()).all()
        assert (sheet[180:, left : left + 96] < 128).any(), "dark words"


def test_shown_rows_go_through_the_classes_of_the_first_attribute_with_labels():
    data = hetero_data()
    labels = torch.tensor([2, -1, 2, 0, 0, 2, *[-1] * 34])

    def with_labels(shape, colour):
        test = dataclasses.replace(data.test, labels={"shape": shape, "colour": colour})
        return dataclasses.replace(data, test=test)

    none = torch.full_like(labels, -1)
    for known in (with_labels(labels, none), with_labels(none, labels)):
        assert shown_rows(known, 10).tolist() == [3, 0, 4, 2, 5]
        assert shown_rows(known, 3).tolist() == [3, 0, 4]
        assert shown_rows(known, 10, rounds=1).tolist() == [3, 0]
    assert shown_rows(with_labels(none, none), 3, rounds=1).tolist() == [0, 1, 2]
    assert shown_rows(hetero_data(labels=False, test=2), 5).tolist() == [0, 1]


def test_rows_of_a_grid_are_as_high_as_their_pictures_and_columns_as_wide_as_the_widest():
    small = [Image.new("RGB", (2, 3), colour) for colour in ("red", "lime")]
    large = [Image.new("RGB", (4, 1), colour) for colour in ("blue", "black")]
    pixels = np.asarray(grid([small, large]))
    colours = {(255, 0, 0): "r", (0, 255, 0): "g", (0, 0, 255): "b", (0, 0, 0): "k", (255, 255, 255): "."}
    rows = ["".join(colours[tuple(pixel)] for pixel in row) for row in pixels.tolist()]
    assert rows == [".rr..gg."] * 3 + ["bbbbkkkk"]


def test_blocks_stand_beside_each_other_with_a_white_gap():
    sheet = np.asarray(beside([Image.new("RGB", (2, 3), "red"), Image.new("RGB", (1, 2), "blue")]))
    assert sheet.shape == (3, 2 + GAP + 1, 3)
    assert (sheet[:, :2] == (255, 0, 0)).all()
    assert (sheet[:, 2 : 2 + GAP] == 255).all()
    assert (sheet[:2, 2 + GAP :] == (0, 0, 255)).all()
    assert (sheet[2:, 2 + GAP :] == 255).all()


def test_a_picture_is_written_whole(tmp_path):
    save_picture(tmp_path / "folder" / "a.png", Image.new("RGB", (4, 5), "red"))
    assert read_picture(tmp_path / "folder" / "a.png").shape == (5, 4, 3)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.png"]
