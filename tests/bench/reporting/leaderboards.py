"""The leaderboard of a folder of runs, as a table and as the page for people."""

from bench.reporting.leaderboard import leaderboard
from bench.reporting.markdown import markdown
from bench.reporting.rows import read_runs


def table_of(out):
    return leaderboard(*read_runs(out))


def page(out):
    runs, failed = read_runs(out)
    return markdown(leaderboard(runs, failed), runs, failed)
