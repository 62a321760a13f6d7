"""The figures of coherence: matrices of cross-generation, and lines by the number of given modalities."""

import numpy as np
import pytest

from bench.reporting.figures import save_figures
from bench.reporting.figures.coherence import matrix_figure, subset_figure
from bench.reporting.leaderboard import leaderboard
from bench.reporting.rows import read_runs
from tests.bench.reporting.drawn import rows_of
from tests.bench.rundirs import edit_json, measure_file, write_measures, write_prior, write_run


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


def test_only_the_outer_ones_of_many_panels_have_labels(tmp_path):
    methods = ["ebm-base", "mmjsd", "mmvae", "mopoe", "mvae"]
    for method in methods:
        write_measures(write_run(tmp_path, method), "coverage", coverage_to_aggregate=0.3)
    write_prior(tmp_path / "runs/polymnist/mmvae/quick-0123abcd/seed-0", "mixture", 0.6, coverage_to_aggregate=0.9)
    axes = matrix_figure(rows_of(tmp_path), "title").axes[:5]
    assert [axis.get_title() for axis in axes] == methods
    assert [len(axis.get_yticks()) for axis in axes] == [2, 0, 0, 0, 2]
    assert [axis.get_ylabel() for axis in axes] == ["source", "", "", "", "source"]
    assert [len(axis.get_xticks()) for axis in axes] == [0, 2, 2, 2, 2]
    assert [axis.get_xlabel() for axis in axes] == ["", *["target"] * 4]


def test_heat_maps_of_other_modalities_have_labels_of_their_own(tmp_path):
    write_run(tmp_path, "mmvae")
    file = measure_file(write_run(tmp_path, "mopoe"), "cross")
    edit_json(file, "measures", "cross_coherence", "details", "modalities", value=["a", "b"])
    axes = matrix_figure(rows_of(tmp_path), "title").axes
    names = [[label.get_text() for label in axis.get_yticklabels()] for axis in axes]
    assert names == [["m0", "m1"], ["a", "b"]]


def test_coherence_by_number_of_given_modalities_has_a_line_per_method(tmp_path):
    for method, rise in (("mmvae", 0.0), ("mopoe", 0.1)):
        write_measures(write_run(tmp_path, method), "subsets", cross_coherence_1=0.5, cross_coherence_2=0.5 + rise)
    runs, failed = read_runs(tmp_path)
    (axes,) = subset_figure(runs.to_dict("records"), "title").axes
    lines = [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata())]
    assert lines[:2] == [[0.5, 0.5], [0.5, 0.6]]
    written = [path.name for path in save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)]
    assert "polymnist-bundled-quick-subsets.png" in written


@pytest.mark.parametrize(
    ("name", "value"),
    [("matrix", [[0.9], [0.8]]), ("matrix", "x"), ("matrix", [[0.1, None], [0.2, 0.3]]), ("modalities", ["m0"])],
)
def test_a_matrix_that_is_none_is_not_drawn(tmp_path, name, value):
    edit_json(measure_file(write_run(tmp_path), "cross"), "measures", "cross_coherence", "details", name, value=value)
    assert matrix_figure(rows_of(tmp_path), "title") is None
