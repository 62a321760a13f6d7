"""Runs for tests of figures, and what their figures are."""

from bench.reporting.figures import save_figures
from bench.reporting.leaderboard import leaderboard
from bench.reporting.priors import priors_table
from bench.reporting.rows import read_runs
from tests.bench.conftest import read_picture
from tests.bench.rundirs import ENERGY, write_measures, write_prior, write_run

NAMES = ["coherence", "cross-coherence", "training"]  # the figures that every report has


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
