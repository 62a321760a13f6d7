"""Runs -> tables, statistics, figures."""

NOTHING = "There is no finished run here that can be read."  # what leaderboard.md says then
