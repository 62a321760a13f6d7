import json

import numpy as np
import pytest

from bench.reporting.figures import chain_figure, matrix_figure, prior_figure, save_figures, subset_figure
from bench.reporting.leaderboard import leaderboard, read_runs
from bench.runs.store import write_json
from tests.bench.conftest import read_picture, write_measures, write_prior, write_run


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
    write_run(tmp_path, "mmvae", seed=2, source="rebuilt")
    sources = ("bundled", "rebuilt")
    check(figures_of(tmp_path), [f"polymnist-{source}-quick-{name}.png" for source in sources for name in NAMES])


def test_the_matrix_of_a_method_is_the_mean_over_its_seeds_sources_as_rows(tmp_path):
    for seed, cross in enumerate((0.2, 0.4)):
        path = write_run(tmp_path, "mmvae", seed) / "metrics.json"
        metrics = json.loads(path.read_text())
        metrics["measures"]["cross_coherence"]["details"]["matrix"] = [[0.9, cross], [0.7, 0.8]]
        write_json(path, metrics)
    runs, _ = read_runs(tmp_path)
    (axes,) = matrix_figure(runs, "title").axes
    at = {text.get_position(): text.get_text() for text in axes.texts}  # (column, row)
    assert at == {(0, 0): "0.90", (1, 0): "0.30", (0, 1): "0.70", (1, 1): "0.80"}
    assert np.allclose(axes.images[0].get_array(), [[0.9, 0.3], [0.7, 0.8]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["m0", "m1"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("target", "source", "mmvae")


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
