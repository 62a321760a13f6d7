"""The figures of a report: files, sizes and names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.reporting.figures import save_figures
from bench.reporting.figures.canvas import PAGE, panels, save, style
from bench.reporting.figures.priors import coverage_figure
from bench.reporting.labels import labels_of
from bench.reporting.leaderboard import leaderboard
from bench.reporting.rows import read_runs
from tests.bench.conftest import read_picture
from tests.bench.reporting.drawn import NAMES, check, figures_of, priors_of, rows_of, write_models
from tests.bench.rundirs import config_of, edit_json, measure, measure_file, write_prior, write_run, write_set


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


def test_what_else_is_to_be_done_is_done_beside_the_figures(tmp_path):
    write_run(tmp_path)
    runs, failed = read_runs(tmp_path)
    written = save_figures(
        tmp_path / "figures", leaderboard(runs, failed), runs, [(tmp_path / "a").mkdir, (tmp_path / "b").mkdir]
    )
    check(written, [f"polymnist-bundled-quick-{name}.png" for name in NAMES])
    assert (tmp_path / "a").is_dir()
    assert (tmp_path / "b").is_dir()


def test_priors_have_two_figures(tmp_path):
    write_models(tmp_path)
    names = sorted([*NAMES, "priors", "gap-closed"])
    check(figures_of(tmp_path), [f"polymnist-bundled-quick-{name}.png" for name in names])


def test_a_rare_protocol_is_in_no_figure(tmp_path):
    write_models(tmp_path)
    (run,) = tmp_path.glob("runs/*/mmvae/*/seed-1")
    write_set(run, "coverage", {"coverage_to_aggregate": measure(0.99, "another", 1000)}, settings={"samples": 9})
    axes, _ = coverage_figure(priors_of(tmp_path), "title").axes
    assert 0.99 not in [x for line in axes.lines for x in line.get_xdata()]


def test_figures_of_an_earlier_report_are_removed_and_nothing_else(tmp_path):
    write_run(tmp_path)
    folder = tmp_path / "figures"
    folder.mkdir()
    stem = "polymnist-bundled-quick"
    stale = [
        f"{stem}-chains.png",
        f"{stem}-chains.pdf",
        f"{stem}-deadbeef-priors.png",
        f"{stem}-evaluation-2-coherence.png",
    ]
    others = [f"{stem}-mine.png", f"my-{stem}-priors.png", "polymnist-rebuilt-quick-priors.png", f"{stem}-priors.csv"]
    for name in (*stale, *others):
        (folder / name).write_text("")
    (folder / f"{stem}-gap-closed.png").symlink_to(tmp_path / "elsewhere")
    (folder / f"{stem}-subsets.png").mkdir()
    figures_of(tmp_path)
    left = {path.name for path in folder.iterdir()}
    made = {f"{stem}-{name}.{kind}" for name in NAMES for kind in ("png", "pdf")}
    assert left == {*others, f"{stem}-gap-closed.png", f"{stem}-subsets.png", *made}


def test_figures_are_as_wide_as_a_column_or_a_page_and_carry_their_fonts(tmp_path):
    for method in ("mmvae", "a-method-with-a-long-name", "mopoe", "mvae"):
        write_run(tmp_path, method)
    for path, inches in zip(figures_of(tmp_path), (3.4, 7.0, 7.0), strict=True):
        content = path.with_suffix(".pdf").read_bytes()
        (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) [\d.]+ \]", content)
        assert float(box) / 72 == pytest.approx(inches, abs=0.06)
        assert b"/FontFile2" in content  # TrueType, whole
        assert read_picture(path).shape[1] == pytest.approx(220 * inches, abs=14)


def edges(path):
    pixels = read_picture(path)
    return np.concatenate([pixels[[0, -1]].reshape(-1, 3), pixels[:, [0, -1]].reshape(-1, 3)])


def test_nothing_is_cut_off(tmp_path):
    """Long titles above all, which were wider than a column."""
    for method in ("mmvae", "a-method-with-a-long-name"):
        write_run(tmp_path, method, preset="a-preset-with-a-name-that-is-longer-than-a-column-is-wide")
    for path in figures_of(tmp_path):
        assert edges(path).min() == edges(path).max() == read_picture(path).max()


def test_what_is_far_from_where_a_figure_was_expected_to_end_is_not_cut_off(tmp_path):
    """A panel between others is not measured, and its title may be as high as a page."""
    with style():
        figure, grid = panels(1, 3, (PAGE, 1.0))
        grid[0][1].set_title("line\n" * 12)
        save(figure, tmp_path / "figure.png")
    assert edges(tmp_path / "figure.png").min() == read_picture(tmp_path / "figure.png").max()
    assert read_picture(tmp_path / "figure.png").shape[0] > 220 * 2


def test_the_same_runs_make_the_same_figures(tmp_path):
    write_run(tmp_path)
    first = [path.with_suffix(".pdf").read_bytes() for path in figures_of(tmp_path)]
    assert [path.with_suffix(".pdf").read_bytes() for path in figures_of(tmp_path)] == first


def test_names_with_dollar_signs_are_no_formulas(tmp_path):
    run = write_run(tmp_path)
    file = measure_file(run, "cross")
    edit_json(file, "measures", "cross_coherence", "details", "modalities", value=["$\\frac{", "b"])
    write_prior(run, "mixture", 0.5, label="mixture $\\")
    assert len(figures_of(tmp_path)) == 4


def test_settings_with_dollar_signs_are_no_formulas(tmp_path):
    """They are part of names where a method has several configurations, and of files that may be anybody's."""
    hostile = config_of("mmvae", preset="quick", source="bundled").as_dict()
    hostile["model"]["posterior"] = "$\\frac{\x1b"
    write_run(tmp_path)
    write_run(tmp_path, config=hostile, config_hash="deadbeef")
    runs = rows_of(tmp_path)
    assert labels_of(runs)[1].startswith("mmvae (laplace) posterior=")
    check(figures_of(tmp_path), [f"polymnist-bundled-quick-{name}.png" for name in NAMES])


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
    assert len(list((tmp_path / "figures").glob("*.p[nd][gf]"))) == 6
