import numpy as np
import pytest
import torch
from PIL import Image

from bench.figures import (
    CHAINS,
    GAP,
    beside,
    chain_figure,
    grid,
    prior_figure,
    save_figures,
    save_picture,
    save_samples,
    subset_figure,
)
from bench.leaderboard import leaderboard, read_runs
from bench.store import write_json
from evaluators.chains import snapshots
from methods.priors import EnergyPrior
from tests.bench.conftest import write_measures, write_prior, write_run
from tests.conftest import make_data, make_method


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


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
    assert read(tmp_path / "samples_joint.png").shape == (3 * 28 * 3, 5 * 28 * 3, 3)
    classes, modalities = 4, 3
    width = modalities * classes * 28 * 2 + (modalities - 1) * GAP
    assert read(tmp_path / "samples_cross.png").shape == ((1 + modalities) * 28 * 2, width, 3)


def test_each_block_starts_with_the_held_out_images_of_its_source(method, tmp_path):
    data = make_data()
    save_samples(tmp_path, method, data, seed=0)
    pixels = read(tmp_path / "samples_cross.png")
    for block, name in enumerate(data.test.items):
        for label in range(4):  # row `label` of the toy test split is the first of its class
            left = block * (4 * 28 * 2 + GAP) + label * 28 * 2
            tile = pixels[: 28 * 2 : 2, left : left + 28 * 2 : 2].transpose(2, 0, 1)
            assert (tile == data.test.items[name][label].numpy()).all()


def test_samples_are_a_function_of_the_seed(method, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        save_samples(tmp_path / name, method, make_data(), seed=seed, columns=3)
    for file in ("samples_joint.png", "samples_cross.png"):
        one, same, other = (read(tmp_path / name / file) for name in "abc")
        assert (one == same).all()
        assert (one != other).any()


def figures_of(out):
    runs, failed = read_runs(out)
    return save_figures(out / "figures", leaderboard(runs, failed), runs)


def check(written, names):
    assert [path.name for path in written] == names
    for path in written:
        pixels = read(path)
        assert min(pixels.shape[:2]) > 200
        assert pixels.std() > 5


NAMES = ["coherence", "cross-coherence", "training"]


@pytest.mark.parametrize("dataset", ["polymnist", "toy"])  # with and without values on the poster
def test_one_run_has_its_three_figures(tmp_path, dataset):
    write_run(tmp_path, dataset=dataset)
    check(figures_of(tmp_path), [f"{dataset}-bundled-quick-{name}.png" for name in NAMES])


def test_many_runs_have_figures_by_dataset_source_and_preset(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, "mmvae", seed, joint=0.2 + seed / 10)
    write_run(tmp_path, "mmvae", config_hash="deadbeef")
    history = write_run(tmp_path, "ebm-base") / "history.csv"
    history.write_text("epoch,elbo,kl,energy_posterior,energy_prior\n1,-900,3,,\n2,-800,4,0.1,0.2\n")
    write_run(tmp_path, "mmvae", seed=2, source="rebuilt")
    sources = ("bundled", "rebuilt")
    check(figures_of(tmp_path), [f"polymnist-{source}-quick-{name}.png" for source in sources for name in NAMES])


def test_a_picture_is_written_whole(tmp_path):
    save_picture(tmp_path / "folder" / "a.png", Image.new("RGB", (4, 5), "red"))
    assert read(tmp_path / "folder" / "a.png").shape == (5, 4, 3)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.png"]


def test_other_priors_have_a_figure_of_their_own(tmp_path):
    for method, joint in (("mmvae", 0.6), ("ebm-base", 0.8)):
        write_prior(write_run(tmp_path, method, joint=joint), "gmm", joint - 0.1)
    runs, failed = read_runs(tmp_path)
    written = save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)
    assert [path.name for path in written][-1] == "polymnist-bundled-quick-priors.png"
    assert len(written) == 4
    axes = prior_figure(leaderboard(runs, failed), "title").axes[0]
    assert {text.get_text() for text in axes.get_legend().get_texts()} >= {"own prior", "gmm prior"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ebm-base", "mmvae"]


def test_coherence_by_number_of_given_modalities_has_a_line_per_method(tmp_path):
    for method, rise in (("mmvae", 0.0), ("mopoe", 0.1)):
        write_measures(write_run(tmp_path, method), "subsets", cross_coherence_1=0.5, cross_coherence_2=0.5 + rise)
    runs, failed = read_runs(tmp_path)
    (axes,) = subset_figure(runs, "title").axes
    lines = [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata())]
    assert lines[:2] == [[0.5, 0.5], [0.5, 0.6]]
    written = [path.name for path in save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)]
    assert "polymnist-bundled-quick-subsets.png" in written


def test_chains_are_shown_step_by_step_where_the_prior_has_them(method, tmp_path):
    save_samples(tmp_path, method, make_data(), seed=0)
    path = tmp_path / "samples_chains.png"
    if not isinstance(method.prior, EnergyPrior):
        assert not path.exists()
        return
    columns = len(snapshots(method.prior.config.steps))
    assert read(path).shape == (3 * 28 * 2, CHAINS * columns * 28 * 2 + (CHAINS - 1) * GAP, 3)


def test_the_figure_of_chains_has_every_run_that_has_them(tmp_path):
    write_run(tmp_path, "mmvae")
    details = {"steps": [0, 10, 80], "steps_trained": 10, "joint_coherence": [0.1, 0.5, 0.4], "energy": [2.0, 1.0, 0.5]}
    measure = {"value": 0.4, "protocol": "a protocol", "n": 10, "details": details}
    (run := write_run(tmp_path, "ebm-base") / "measures").mkdir()
    write_json(run / "chains.json", {"measures": {"joint_coherence_long": measure}})
    runs, failed = read_runs(tmp_path)
    left, right = chain_figure(runs, "title").axes
    assert left.lines[0].get_ydata().tolist() == [0.1, 0.5, 0.4]
    assert right.lines[0].get_ydata().tolist() == [2.0, 1.0, 0.5]
    assert left.lines[1].get_xdata() == [10, 10]
    written = [path.name for path in save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)]
    assert "polymnist-bundled-quick-chains.png" in written
