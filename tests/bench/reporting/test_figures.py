import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.reporting.figures import save_figures
from bench.reporting.figures.chains import chain_figure
from bench.reporting.figures.coherence import matrix_figure, subset_figure
from bench.reporting.figures.priors import prior_figure
from bench.reporting.figures.training import training_figure
from bench.reporting.leaderboard import leaderboard
from bench.reporting.rows import read_runs
from tests.bench.conftest import read_picture
from tests.bench.rundirs import edit_json, measure, measure_file, write_measures, write_prior, write_run, write_set


def rows_of(out):
    return read_runs(out)[0].to_dict("records")


def figures_of(out):
    runs, failed = read_runs(out)
    return save_figures(out / "figures", leaderboard(runs, failed), runs)


def check(written, names):
    assert [path.name for path in written] == names
    for path in written:
        pixels = read_picture(path)
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
    write_run(tmp_path, "mmvae", seed=2, source="rebuilt", fingerprint="e" * 64)
    sources = ("bundled", "rebuilt")
    check(figures_of(tmp_path), [f"polymnist-{source}-quick-{name}.png" for source in sources for name in NAMES])


def test_the_matrix_of_a_method_is_the_mean_over_its_seeds_sources_as_rows(tmp_path):
    for seed, cross in enumerate((0.2, 0.4)):
        path = measure_file(write_run(tmp_path, "mmvae", seed), "cross")
        matrix = [[0.9, cross], [0.7, 0.8]]
        edit_json(path, "measures", "cross_coherence", "details", "matrix", value=matrix)
    (axes,) = matrix_figure(rows_of(tmp_path), "title").axes
    at = {text.get_position(): text.get_text() for text in axes.texts}  # (column, row)
    assert at == {(0, 0): "0.90", (1, 0): "0.30", (0, 1): "0.70", (1, 1): "0.80"}
    assert np.allclose(axes.images[0].get_array(), [[0.9, 0.3], [0.7, 0.8]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["m0", "m1"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("target", "source", "mmvae")


def test_other_priors_have_a_figure_of_their_own(tmp_path):
    for method, joint in (("mmvae", 0.6), ("ebm-base", 0.8)):
        write_prior(write_run(tmp_path, method, joint=joint), "mixture", joint - 0.1)
    runs, failed = read_runs(tmp_path)
    written = save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)
    assert [path.name for path in written][-1] == "polymnist-bundled-quick-priors.png"
    assert len(written) == 4
    axes = prior_figure(leaderboard(runs, failed).to_dict("records"), "title").axes[0]
    assert {text.get_text() for text in axes.get_legend().get_texts()} >= {"own prior", "mixture prior"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ebm-base", "mmvae"]


def test_coherence_by_number_of_given_modalities_has_a_line_per_method(tmp_path):
    for method, rise in (("mmvae", 0.0), ("mopoe", 0.1)):
        write_measures(write_run(tmp_path, method), "subsets", cross_coherence_1=0.5, cross_coherence_2=0.5 + rise)
    runs, failed = read_runs(tmp_path)
    (axes,) = subset_figure(runs.to_dict("records"), "title").axes
    lines = [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata())]
    assert lines[:2] == [[0.5, 0.5], [0.5, 0.6]]
    written = [path.name for path in save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)]
    assert "polymnist-bundled-quick-subsets.png" in written


def test_the_figure_of_chains_has_every_run_that_has_them(tmp_path):
    write_run(tmp_path, "mmvae")
    details = {"steps": [0, 10, 80], "steps_trained": 10, "joint_coherence": [0.1, 0.5, 0.4], "energy": [2.0, 1.0, 0.5]}
    write_set(
        write_run(tmp_path, "ebm-base"), "chains", {"joint_coherence_long": measure(0.4, "p", 10, details=details)}
    )
    runs, failed = read_runs(tmp_path)
    left, right = chain_figure(runs.to_dict("records"), "title").axes
    assert left.lines[0].get_ydata().tolist() == [0.1, 0.5, 0.4]
    assert right.lines[0].get_ydata().tolist() == [2.0, 1.0, 0.5]
    assert left.lines[1].get_xdata() == [10, 10]
    written = [path.name for path in save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)]
    assert "polymnist-bundled-quick-chains.png" in written


def test_every_method_has_its_own_axis_for_its_own_objective(tmp_path):
    for method in ("mmvae", "mopoe"):
        write_run(tmp_path, method)
    write_run(tmp_path, "mopoe", seed=1)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_title() for axis in axes] == ["mmvae: ELBO", "mopoe: ELBO", "kl"]
    assert [len(axis.lines) for axis in axes] == [1, 1, 2]
    assert axes[2].lines[0].get_ydata().tolist() == [1.0, 2.0]


def write_validated(out, method, *values, seed=0):
    """Joint coherence, that of the aggregate posterior and cross coherence at the end of some epochs."""
    names = ["joint_coherence", "joint_coherence_aggregate", "cross_coherence"]
    lines = [f"{epoch},{-900 + epoch},{epoch},{row}\n" for epoch, row in enumerate(values, 1)]
    header = ",".join(["epoch", "elbo", "kl", *(f"validation_{name}" for name in names)])
    (write_run(out, method, seed) / "history.csv").write_text(f"{header}\n" + "".join(lines))


def test_coherences_of_held_out_tuples_have_a_panel(tmp_path):
    write_run(tmp_path, "mopoe")
    write_validated(tmp_path, "mmvae", ",,", "0.1,0.2,0.3", ",,", "0.3,0.4,0.5")
    write_validated(tmp_path, "mmvae", "0.5,,", "0.3,,0.5", ",,", ",,", seed=1)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_title() for axis in axes[:4]] == ["mmvae: ELBO", "mopoe: ELBO", "kl", "validation coherence"]
    curves = {line.get_linestyle(): line.get_xydata().tolist() for line in axes[3].lines if len(line.get_xdata())}
    assert curves == {
        "-": [[1, 0.5], [2, pytest.approx(0.2)], [4, 0.3]],
        ":": [[2, 0.2], [4, 0.4]],
        "--": [[2, pytest.approx(0.4)], [4, 0.5]],
    }
    named = [text.get_text() for text in axes[3].get_legend().get_texts()]
    assert named == ["joint", "joint, aggregate", "cross", "mmvae", "mopoe"]
    check(figures_of(tmp_path), [f"polymnist-bundled-quick-{name}.png" for name in NAMES])


def test_many_methods_are_named_once_beside_the_last_panel(tmp_path):
    methods = ["mmvae", "mopoe", "mvae", "mmjsd", "mvtcae"]
    for method in methods:
        write_run(tmp_path, method)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [text.get_text() for text in axes[5].get_legend().get_texts()] == sorted(methods)
    write_validated(tmp_path, "mmvaeplus", "0.1,0.2,0.3")
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_title() for axis in axes[6:8]] == ["kl", "validation coherence"]
    assert axes[6].get_legend() is None
    named = [text.get_text() for text in axes[7].get_legend().get_texts()]
    assert named == ["joint", "cross", *sorted([*methods, "mmvaeplus"])]


@pytest.mark.parametrize(
    "content", ["", "epoch,elbo\n", "loss,elbo\n1,2\n", "epoch,elbo\n1,x\n", "epoch,elbo\n1\n", "\x00"]
)
def test_a_damaged_history_costs_its_curve(tmp_path, caplog, content):
    write_run(tmp_path, "mmvae")
    (write_run(tmp_path, "mopoe") / "history.csv").write_text(content)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_title() for axis in axes] == ["mmvae: ELBO", "kl"]
    assert "mopoe/quick-0123abcd/seed-0/history.csv" in caplog.text
    assert "its curve is left out" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("matrix", [[0.9], [0.8]]), ("matrix", "x"), ("matrix", [[0.1, None], [0.2, 0.3]]), ("modalities", ["m0"])],
)
def test_a_matrix_that_is_none_is_not_drawn(tmp_path, name, value):
    edit_json(measure_file(write_run(tmp_path), "cross"), "measures", "cross_coherence", "details", name, value=value)
    assert matrix_figure(rows_of(tmp_path), "title") is None


def test_names_with_dollar_signs_are_no_formulas(tmp_path):
    run = write_run(tmp_path)
    file = measure_file(run, "cross")
    edit_json(file, "measures", "cross_coherence", "details", "modalities", value=["$\\frac{", "b"])
    write_prior(run, "mixture", 0.5, label="mixture $\\")
    assert len(figures_of(tmp_path)) == 4


def test_runs_without_coherence_have_the_figure_of_their_training(tmp_path):
    write_run(tmp_path, joint=None, cross=None)
    check(figures_of(tmp_path), ["polymnist-bundled-quick-training.png"])


@pytest.mark.parametrize("backend", ["module://nowhere.backend_inline", "nonsense"])
def test_a_backend_that_is_not_installed_is_none_of_our_business(tmp_path, backend):
    write_run(tmp_path)
    command = [sys.executable, "-W", "error", "-m", "bench", "report", "--out", str(tmp_path)]
    env = {**os.environ, "MPLBACKEND": backend}
    folder = Path(bench.__file__).parents[1]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "figures").iterdir())) == 3
