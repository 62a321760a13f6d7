"""Configurations less their bases."""

from bench.reporting.leaderboard import rows_with_runs
from bench.reporting.page.leaders import pairs_of
from bench.reporting.page.sections import sections_of
from bench.reporting.rows import read_runs
from tests.bench.rundirs import config_of, write_real_run


def bases(folder):
    """{configuration: its base}."""
    runs, failed = read_runs(folder)
    (section,) = sections_of([row for row, _ in rows_with_runs(runs, failed)], runs)
    return {pair.label: section.label(pair.base) for pair in pairs_of(section)}


def write(folder, *names):
    """Runs of "method setting setting"."""
    for name in names:
        method, *settings = name.split()
        write_real_run(folder, config_of(method, *settings, preset="quick", source="bundled"))


def test_a_base_has_the_prior_that_the_preset_gives_it(tmp_path):
    write(tmp_path, "mmvae", "mmvae prior=denoising-energy", "ebm-base", "mopoe", "mopoe prior=energy")
    assert bases(tmp_path) == {
        "ebm-base (energy)": "mmvae (laplace)",
        "mmvae (denoising-energy)": "mmvae (laplace)",
        "mopoe (energy)": "mopoe (normal)",
    }


def test_a_base_differs_in_the_prior_alone(tmp_path):
    write(tmp_path, "mmvae", "ebm-base", "mmvae beta=0.5", "ebm-base beta=0.5", "ebm-base beta=2")
    assert bases(tmp_path) == {
        "ebm-base (energy)": "mmvae (laplace)",
        "ebm-base (energy) beta=0.5": "mmvae (laplace) beta=0.5",
    }


def test_without_such_a_base_there_is_no_difference(tmp_path):
    write(tmp_path, "mmvae prior=denoising-energy", "mmvae beta=0.5", "ebm-base")
    assert bases(tmp_path) == {}
