"""Coherence against coverage, and the share of the gap that each prior closes."""

from dataclasses import replace

import pandas as pd
import pytest

from bench.reporting.changes import OTHER_VERSION
from bench.reporting.figures.priors import coverage_figure, gap_figure
from bench.reporting.priors import priors_table
from bench.reporting.rows import read_runs
from tests.bench.reporting.drawn import priors_of, write_models
from tests.bench.rundirs import config_of, write_measures, write_prior, write_real_run, write_run


def test_coverage_has_a_panel_per_model_and_a_point_per_prior(tmp_path):
    write_models(tmp_path)
    mmvae, ebm = coverage_figure(priors_of(tmp_path), "title").axes
    assert (mmvae.get_title(), ebm.get_title()) == ("mmvae (laplace)", "ebm-base (energy)")
    points = {line.get_marker(): line.get_xydata()[0].tolist() for line in mmvae.lines if len(line.get_xdata()) == 1}
    assert points == {
        kind: pytest.approx(xy) for kind, xy in (("D", [0.35, 0.45]), ("o", [0.9, 0.6]), ("*", [0.95, 0.7]))
    }
    seeds = [line.get_xydata().tolist() for line in mmvae.lines if line.get_marker() == "."]
    assert seeds == [[[0.3, 0.4], [pytest.approx(0.4), 0.5]]]
    lines = [line for line in ebm.lines if len(line.get_ydata()) and line.get_linestyle() in ("--", ":")]
    heights = {line.get_linestyle(): line.get_ydata()[0] for line in lines}
    assert heights == pytest.approx({"--": 0.325, ":": 0.65})  # p0 and held-out aggregate, means over both seeds
    legend = [text.get_text() for text in ebm.get_legend().get_texts()]
    assert legend[:3] == ["energy", "laplace", "mixture"]
    assert legend[3:] == ["trained prior", "fitted prior", "bootstrap", "p0", "held-out aggregate"]


def test_coverage_says_so_where_points_and_lines_are_of_different_seeds(tmp_path):
    write_models(tmp_path)
    rows = priors_of(tmp_path)
    assert "some priors have fewer" in coverage_figure(rows, "title").get_suptitle()
    even = [row for row in rows if row["seed"] == 0]
    assert coverage_figure(even, "title").get_suptitle() == "Priors of z: title"


def test_a_lone_prior_is_compared_with_nothing(tmp_path):
    write_models(tmp_path)
    write_measures(write_run(tmp_path, "mopoe"), "coverage", coverage_to_aggregate=0.3)
    assert [axes.get_title() for axes in coverage_figure(priors_of(tmp_path), "title").axes] == [
        "mmvae (laplace)",
        "ebm-base (energy)",
    ]
    alone = [row for row in priors_of(tmp_path) if row["method"] == "mopoe"]
    assert coverage_figure(alone, "title") is None
    assert gap_figure(alone, "title") is None


def test_gaps_closed_have_a_cell_per_model_and_prior_with_its_seeds(tmp_path):
    write_models(tmp_path)
    (axes,) = gap_figure(priors_of(tmp_path), "title").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mmvae (laplace)", "ebm-base (energy)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["own", "mixture", "bootstrap"]
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    # p0 is half of the own joint coherence here, and the aggregate equal to it.
    assert texts == {
        (0, 0): "is p0",
        (1, 0): "2.00\nn=1",
        (2, 0): "2.50\nn=1",
        (0, 1): "1.00\nn=2",
        (1, 1): "1.67\nn=1",
        (2, 1): "2.00\nn=1",
        (0, -0.55): "trained",
        (1, -0.55): "fitted",
        (2, -0.55): "reference",
    }


def test_gaps_closed_have_the_best_of_the_fitted_priors_last(tmp_path):
    run = write_run(tmp_path)
    for prior, joint in (("flow", 0.6), ("diffusion", 0.5), ("mixture", 0.4)):
        write_prior(run, prior, joint)
    (axes,) = gap_figure(priors_of(tmp_path), "title").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["own", "mixture", "diffusion", "flow"]


def test_models_that_are_called_alike_are_told_apart_by_their_settings(tmp_path):
    several = ("trainer.epochs=3", "trainer.batch_size=77", "latent_dim=16")
    configs = [config_of("mmvae", *settings) for settings in ((), ("beta=0.5",), ("prior=flow",), several)]
    for config in configs:
        write_prior(write_real_run(tmp_path, config), "mixture", 0.4)
    (axes,) = gap_figure(priors_of(tmp_path), "title").axes
    assert sorted(label.get_text() for label in axes.get_yticklabels()) == [
        "mmvae (flow)",
        "mmvae (laplace)",
        f"mmvae (laplace) {configs[-1].hash}",  # the settings are long
        "mmvae (laplace) beta=0.5",
    ]


def test_settings_of_another_version_are_no_name(tmp_path):
    runs = [write_real_run(tmp_path, config_of("mmvae", beta)) for beta in ("beta=1", "beta=0.5")]
    for run in runs:
        write_prior(run, "mixture", 0.4)
    rows = [row | {"settings": OTHER_VERSION if row["settings"] else ""} for row in priors_of(tmp_path)]
    (axes,) = gap_figure(rows, "title").axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(names) == ["mmvae (laplace)", f"mmvae (laplace) {config_of('mmvae', 'beta=0.5').hash}"]


def test_settings_are_those_beside_the_rows_own_preset(tmp_path):
    """One resolved configuration, by two presets, has one hash."""
    quick = config_of("mmvae", preset="quick", source="bundled")
    for preset in ("quick", "paper"):
        write_real_run(tmp_path / preset, replace(quick, preset=preset))
    rows = [row for preset in ("quick", "paper") for row in read_runs(tmp_path / preset)[0].to_dict("records")]
    table = priors_table(pd.DataFrame(rows))
    assert set(table[table["preset"] == "quick"]["settings"]) == {""}
    assert "" not in set(table[table["preset"] == "paper"]["settings"])


def test_models_with_the_same_settings_are_told_apart_by_their_hash(tmp_path):
    for config_hash in ("0123abcd", "deadbeef"):
        write_prior(write_run(tmp_path, config_hash=config_hash), "mixture", 0.4)
    (axes,) = gap_figure(priors_of(tmp_path), "title").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "mmvae (laplace) 0123abcd",
        "mmvae (laplace) deadbeef",
    ]
