import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bench
from bench.reporting.figures import save_figures
from bench.reporting.figures.canvas import PAGE, panels, save, style
from bench.reporting.figures.chains import chain_figure
from bench.reporting.figures.coherence import matrix_figure, subset_figure
from bench.reporting.figures.priors import coverage_figure, gap_figure
from bench.reporting.figures.training import training_figure
from bench.reporting.leaderboard import leaderboard
from bench.reporting.priors import priors_table
from bench.reporting.rows import read_runs
from tests.bench.conftest import read_picture
from tests.bench.rundirs import (
    ENERGY,
    config_of,
    edit_json,
    measure,
    measure_file,
    write_measures,
    write_prior,
    write_real_run,
    write_run,
    write_set,
)


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


def write_models(out):
    """MMVAE and EBM base, two seeds of each, with fitted priors of the first."""
    for method, joint, config in (("mmvae", 0.4, None), ("ebm-base", 0.6, ENERGY)):
        for seed in (0, 1):
            run = write_run(out, method, seed, joint=joint + seed / 10, config=config)
            write_measures(run, "coverage", coverage_to_aggregate=0.3 + seed / 10)
            if seed == 0:
                write_prior(run, "mixture", joint + 0.2, coverage_to_aggregate=0.9)
                write_prior(run, "bootstrap", joint + 0.3, coverage_to_aggregate=0.95)


def priors_of(out):
    return priors_table(read_runs(out)[0]).to_dict("records")


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
    common = "trainer.epochs=3"
    for settings in (
        [],
        ["beta=0.5"],
        ["prior=flow"],
        ["prior=flow", "trainer.batch_size=77", "latent_dim=16", "beta=0.5"],
    ):
        write_prior(write_real_run(tmp_path, config_of("mmvae", common, *settings)), "mixture", 0.4)
    (axes,) = gap_figure(priors_of(tmp_path), "title").axes
    other = config_of("mmvae", common, "prior=flow", "trainer.batch_size=77", "latent_dim=16", "beta=0.5").hash
    assert sorted(label.get_text() for label in axes.get_yticklabels()) == [
        "mmvae (flow)",
        f"mmvae (flow) {other}",
        "mmvae (laplace)",
        "mmvae (laplace) beta=0.5",
    ]


def test_models_with_the_same_settings_are_told_apart_by_their_hash(tmp_path):
    for config_hash in ("0123abcd", "deadbeef"):
        write_prior(write_run(tmp_path, config_hash=config_hash), "mixture", 0.4)
    (axes,) = gap_figure(priors_of(tmp_path), "title").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "mmvae (laplace) 0123abcd",
        "mmvae (laplace) deadbeef",
    ]


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


def test_panels_of_a_training_have_the_same_epochs(tmp_path):
    write_run(tmp_path, "mmvae")
    write_validated(tmp_path, "mopoe", *["0.1,0.2,0.3"] * 9)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_xlim() for axis in axes] == [pytest.approx((0.6, 9.4))] * 4


def test_the_same_runs_make_the_same_figures(tmp_path):
    write_run(tmp_path)
    first = [path.with_suffix(".pdf").read_bytes() for path in figures_of(tmp_path)]
    assert [path.with_suffix(".pdf").read_bytes() for path in figures_of(tmp_path)] == first


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
    assert not right.collections, "no spread"
    written = [path.name for path in save_figures(tmp_path / "figures", leaderboard(runs, failed), runs)]
    assert "polymnist-bundled-quick-chains.png" in written


def test_the_figure_of_chains_shows_the_form_of_sentences_and_the_spread_of_energies(tmp_path):
    details = {"steps": [0, 10, 80], "steps_trained": 10, "joint_coherence": [0.1, 0.5, 0.4], "energy": [2.0, 1.0, 0.5]}
    details |= {"energy_std": [1.0, 0.5, 0.25], "well_formed": [0.2, 0.8, 0.9]}
    for method, found in (
        ("ebm-base", details),
        ("ebm-generalized", {**details, "well_formed": [0.3], "energy_std": "x"}),
    ):
        set_of = {"joint_coherence_long": measure(0.4, "p", 10, details=found)}
        write_set(write_run(tmp_path, method), "chains", set_of)
    coherence, form, energy = chain_figure(rows_of(tmp_path), "title").axes
    labels = ["joint coherence", "share of well-formed sentences", "energy, ± standard deviation"]
    assert [axis.get_ylabel() for axis in (coherence, form, energy)] == labels
    assert [len(axis.lines) for axis in (coherence, form, energy)] == [3, 2, 3]  # one of them ends the trained steps
    assert form.lines[0].get_ydata().tolist() == [0.2, 0.8, 0.9]
    (band,) = energy.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.25, 3.0)


def has_data(line):
    return len(line.get_xdata()) > 0


def names_in(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_every_method_has_its_own_axis_for_its_own_objective(tmp_path):
    for method in ("mmvae", "mopoe"):
        write_run(tmp_path, method)
    write_run(tmp_path, "mopoe", seed=1)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_title() for axis in axes] == ["mmvae: ELBO", "mopoe: ELBO", "KL"]
    assert [sum(map(has_data, axis.lines)) for axis in axes] == [1, 1, 2]
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
    figure = training_figure(rows_of(tmp_path), "title")
    axes = figure.axes
    assert [axis.get_title() for axis in axes[:4]] == ["mmvae: ELBO", "mopoe: ELBO", "KL", "validation coherence"]
    curves = {line.get_linestyle(): line.get_xydata().tolist() for line in axes[3].lines if len(line.get_xdata())}
    assert curves == {
        "-": [[1, 0.5], [2, pytest.approx(0.2)], [4, 0.3]],
        ":": [[2, 0.2], [4, 0.4]],
        "--": [[2, pytest.approx(0.4)], [4, 0.5]],
    }
    examples = [f"validation: {name}" for name in ("joint", "joint, aggregate", "cross")]
    assert names_in(figure) == ["mmvae", "mopoe", *examples]
    check(figures_of(tmp_path), [f"polymnist-bundled-quick-{name}.png" for name in NAMES])


def test_methods_are_named_once_below_all_panels(tmp_path):
    methods = ["mmvae", "mopoe", "mvae", "mmjsd", "mvtcae"]
    for method in methods:
        write_run(tmp_path, method)
    assert names_in(training_figure(rows_of(tmp_path), "title")) == sorted(methods)
    write_validated(tmp_path, "mmvaeplus", "0.1,0.2,0.3")
    figure = training_figure(rows_of(tmp_path), "title")
    assert [axis.get_title() for axis in figure.axes[6:8]] == ["KL", "validation coherence"]
    assert names_in(figure) == [*sorted([*methods, "mmvaeplus"]), "validation: joint", "validation: cross"]
    assert all(axis.get_legend() is None for axis in figure.axes)


def test_nothing_of_the_training_lies_on_something_else(tmp_path):
    """Long names above all: those of one method with several configurations."""
    for k in range(3):
        write_run(tmp_path, "ebm-generalized", config_hash=f"0123abc{k}", config=ENERGY)
    with style():
        figure = training_figure(rows_of(tmp_path), "a title " * 12)
        save(figure, tmp_path / "figure.png")
    renderer = figure.canvas.get_renderer()
    axes = [axis.get_tightbbox(renderer) for axis in figure.axes]
    boxes = [*axes, figure.legends[0].get_window_extent(renderer)]
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width == pytest.approx(220 * PAGE, abs=8)


@pytest.mark.parametrize(
    "content", ["", "epoch,elbo\n", "loss,elbo\n1,2\n", "epoch,elbo\n1,x\n", "epoch,elbo\n1\n", "\x00"]
)
def test_a_damaged_history_costs_its_curve(tmp_path, caplog, content):
    write_run(tmp_path, "mmvae")
    (write_run(tmp_path, "mopoe") / "history.csv").write_text(content)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_title() for axis in axes] == ["mmvae: ELBO", "KL"]
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
    assert len(list((tmp_path / "figures").glob("*.p[nd][gf]"))) == 6
