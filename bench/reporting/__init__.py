"""Runs -> tables, statistics, figures."""
