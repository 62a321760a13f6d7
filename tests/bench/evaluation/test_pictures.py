import numpy as np
import pytest
import torch
from PIL import Image

from bench.evaluation.pictures import CHAINS, GAP, beside, grid, save_picture, save_samples
from evaluators.chains import snapshots
from methods.priors import EnergyPrior
from tests.bench.conftest import read_picture
from tests.conftest import make_data, make_method


def test_a_grid_has_its_images_where_they_belong():
    images = torch.arange(2 * 3 * 3 * 2 * 2).reshape(2, 3, 3, 2, 2) / 255
    pixels = np.asarray(grid(images, scale=2))
    assert pixels.shape == (2 * 2 * 2, 3 * 2 * 2, 3)
    for row, column, channel, y, x in np.ndindex(2, 3, 3, 2, 2):
        top, left = 2 * (2 * row + y), 2 * (2 * column + x)
        value = round(images[row, column, channel, y, x].item() * 255)
        assert (pixels[top : top + 2, left : left + 2, channel] == value).all()


def test_a_grid_clamps_and_rounds():
    images = (
        torch.tensor([-0.5, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 7.0]).reshape(1, 6, 1, 1, 1).expand(-1, -1, 3, -1, -1)
    )
    assert np.asarray(grid(images, scale=1))[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255]


def test_blocks_stand_beside_each_other_with_a_white_gap():
    sheet = np.asarray(beside([Image.new("RGB", (2, 3), "red"), Image.new("RGB", (1, 3), "blue")]))
    assert sheet.shape == (3, 2 + GAP + 1, 3)
    assert (sheet[:, :2] == (255, 0, 0)).all()
    assert (sheet[:, 2 : 2 + GAP] == 255).all()
    assert (sheet[:, 2 + GAP :] == (0, 0, 255)).all()


@pytest.fixture(params=["mmvae", "ebm-generalized"])
def method(request):
    return make_method(request.param).eval()


def test_samples_show_modalities_as_rows(method, tmp_path):
    save_samples(tmp_path, method, make_data(), seed=0, columns=5)
    assert read_picture(tmp_path / "samples_joint.png").shape == (3 * 28 * 3, 5 * 28 * 3, 3)
    classes, modalities = 4, 3
    width = modalities * classes * 28 * 2 + (modalities - 1) * GAP
    assert read_picture(tmp_path / "samples_cross.png").shape == ((1 + modalities) * 28 * 2, width, 3)


def test_each_block_starts_with_the_held_out_images_of_its_source(method, tmp_path):
    data = make_data()
    save_samples(tmp_path, method, data, seed=0)
    pixels = read_picture(tmp_path / "samples_cross.png")
    for block, name in enumerate(data.test.items):
        for label in range(4):  # row `label` of the toy test split is the first of its class
            left = block * (4 * 28 * 2 + GAP) + label * 28 * 2
            tile = pixels[: 28 * 2 : 2, left : left + 28 * 2 : 2].transpose(2, 0, 1)
            assert (tile == data.test.items[name][label].numpy()).all()


def test_samples_are_a_function_of_the_seed(method, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        save_samples(tmp_path / name, method, make_data(), seed=seed, columns=3)
    for file in ("samples_joint.png", "samples_cross.png"):
        one, same, other = (read_picture(tmp_path / name / file) for name in "abc")
        assert (one == same).all()
        assert (one != other).any()


def test_a_picture_is_written_whole(tmp_path):
    save_picture(tmp_path / "folder" / "a.png", Image.new("RGB", (4, 5), "red"))
    assert read_picture(tmp_path / "folder" / "a.png").shape == (5, 4, 3)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.png"]


def test_chains_are_shown_step_by_step_where_the_prior_has_them(method, tmp_path):
    save_samples(tmp_path, method, make_data(), seed=0)
    path = tmp_path / "samples_chains.png"
    if not isinstance(method.prior, EnergyPrior):
        assert not path.exists()
        return
    columns = len(snapshots(method.prior.config.steps))
    assert read_picture(path).shape == (3 * 28 * 2, CHAINS * columns * 28 * 2 + (CHAINS - 1) * GAP, 3)
