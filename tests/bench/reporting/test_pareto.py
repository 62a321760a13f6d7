"""The figure of what a setting buys."""

import pytest

from bench.reporting.figures.canvas import style
from bench.reporting.figures.pareto import MOST, Point, dominates, pareto_figure
from bench.reporting.rows import read_runs
from tests.bench.reporting.drawn import figures_of
from tests.bench.rundirs import config_of, measure, write_real_run, write_set


def sweep(out, *values, key="beta", method="mmvae", others=()):
    """Of runs whose joint coherence is a tenth, two tenths, … and whose distance falls and then rises."""
    for k, value in enumerate(values, 1):
        path = write_real_run(out, config_of(method, f"{key}={value}", *others), joint=k / 10)
        write_set(path, "frechet", {"fd_joint": measure(abs(k - 2) + 5.0, "classifier features", 1000)}, 1000)


def drawn(out):
    with style():
        return pareto_figure(read_runs(out)[0].to_dict("records"), "data")


def test_a_sweep_is_a_curve_in_the_order_of_its_values(tmp_path):
    sweep(tmp_path, 10, 0.5, 1, 2)  # 1 is the preset's
    figure = drawn(tmp_path)
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == ["0.5", "1", "2", "10"]
    assert list(axis.lines[0].get_xdata()) == [5, 6, 7, 6]
    assert list(axis.lines[0].get_ydata()) == [0.2, 0.3, 0.4, 0.1]
    assert figure.legends[0].get_texts()[0].get_text() == "mmvae, beta"
    filled = [line.get_markerfacecolor() != "white" for line in axis.lines[1:-1]]
    assert filled == [True, True, True, False]


def test_two_values_or_two_settings_are_no_curve(tmp_path):
    sweep(tmp_path, 0.5, 1)
    sweep(tmp_path, 16, key="latent_dim")
    assert drawn(tmp_path) is None


def test_a_curve_may_share_another_setting_and_no_curve_mixes_two(tmp_path):
    sweep(tmp_path, 0.5, 1, 2, others=("trainer.epochs=2",))
    sweep(tmp_path, 4, 5)
    figure = drawn(tmp_path)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mmvae, beta (trainer.epochs=2)"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.5", "1", "2"]


def test_a_grid_has_a_curve_for_each_row_and_column_and_no_more_than_can_be_told_apart(tmp_path):
    for size in range(16, 26):
        sweep(tmp_path, 0.5, 1, 2, others=(f"latent_dim={size}",))
    figure = drawn(tmp_path)
    assert len(figure.legends[0].get_texts()) == MOST


def test_a_curve_has_all_its_values_where_other_figures_leave_configurations_out(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.reporting.figures.MOST", 2)
    sweep(tmp_path, 0.5, 1, 2)
    assert "polymnist-rebuilt-paper-pareto.png" in [path.name for path in figures_of(tmp_path)]


def test_a_run_whose_preset_is_not_known_is_on_no_curve(tmp_path):
    sweep(tmp_path, 0.5, 1, 2)
    runs = read_runs(tmp_path)[0].to_dict("records")
    unknown = [run | {"config": {**run["config"], "preset": "none"}} for run in runs]
    with style():
        assert pareto_figure([*runs[:2], *unknown], "data") is None


@pytest.mark.parametrize(
    ("other", "more", "expected"),
    [
        ((1, 0.6), True, True),
        ((1, 0.5), True, False),
        ((2, 0.5), True, True),
        ((2, 0.5), False, False),
        ((0, 0.5), False, True),
        ((2, 0.4), True, False),
    ],
)
def test_a_point_that_is_worse_in_both_is_dominated(other, more, expected):
    assert dominates(Point("a", *other), Point("b", 1, 0.5), more) is expected
