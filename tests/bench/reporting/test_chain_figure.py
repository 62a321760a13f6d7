"""The figure of Langevin chains."""

from bench.reporting.figures import save_figures
from bench.reporting.figures.chains import chain_figure
from bench.reporting.leaderboard import leaderboard
from bench.reporting.rows import read_runs
from tests.bench.reporting.drawn import rows_of
from tests.bench.rundirs import measure, write_run, write_set


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
