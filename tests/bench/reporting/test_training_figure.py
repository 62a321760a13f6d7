"""The figure of the training: a panel for each objective, and coherence on held-out tuples."""

import itertools

import pytest
from PIL import Image

from bench.reporting.figures.canvas import PAGE, save, style
from bench.reporting.figures.training import training_figure
from tests.bench.reporting.drawn import NAMES, check, figures_of, rows_of
from tests.bench.rundirs import config_of, write_real_run, write_run


def test_panels_of_a_training_have_the_same_epochs(tmp_path):
    write_run(tmp_path, "mmvae")
    write_validated(tmp_path, "mopoe", *["0.1,0.2,0.3"] * 9)
    axes = training_figure(rows_of(tmp_path), "title").axes
    assert [axis.get_xlim() for axis in axes] == [pytest.approx((0.6, 9.4))] * 4


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
    for start in (0.1, 0.2, 0.3):
        write_real_run(tmp_path, config_of("ebm-generalized", f"prior.start={start}", "prior.warmup=0.7654321"))
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
