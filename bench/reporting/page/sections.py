"""The runs of one dataset, source, preset, data and evaluation: what the parts of the page are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from bench.reporting.frames import records
from bench.reporting.grouping import MOST, by_section, key_of, own_runs, section_title
from bench.reporting.labels import labels_of
from bench.reporting.models import base_method
from bench.reporting.priors import priors_table
from bench.reporting.rows import OWN

Row = Mapping[Any, Any]

# One for each family of methods; each has contrast on white and on near-black.
COLOURS = ["#2f7ed8", "#d9730d", "#1f9d6b", "#c2417c", "#8467d7", "#a8842c", "#4a90a4", "#b5493c", "#6b8e23", "#7a7f87"]
DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "star", "x"]


@dataclass(frozen=True)
class Paint:
    """How a configuration is drawn: a colour for its family, a symbol and a dash for its place in it."""

    colour: str
    symbol: str
    dash: str


@dataclass(frozen=True)
class Section:
    """One section's rows: of the leaderboard, of runs and of priors.

    Args:
        shown: the first MOST configurations under their own priors, in the leaderboard's order.
        runs: those of `shown` under their own priors, in the same order and by seed.
        labels: {(method, config hash): label} of `shown`.
    """

    name: str
    title: str
    rows: list[Row]
    shown: list[Row]
    runs: list[Row]
    priors: list[Row]
    labels: dict[tuple[str, str], str]
    paints: dict[str, Paint]
    configurations: int

    def label(self, row: Row) -> str:
        """Of a row of `shown` or of `runs`."""
        return self.labels[row["method"], row["config_hash"]]

    def runs_of(self, row: Row) -> list[Row]:
        """The runs that a row of `shown` is the mean of."""
        return self._runs_of.get((*key_of(row), row["protocol"]), [])

    @cached_property
    def _runs_of(self) -> dict[tuple[str, str, str], list[Row]]:
        found: dict[tuple[str, str, str], list[Row]] = {}
        for run in self.runs:
            found.setdefault((*key_of(run), run["protocol"]), []).append(run)
        return found


def sections_of(rows: Sequence[Row], runs: pd.DataFrame) -> list[Section]:
    """The page's sections, in the order of the leaderboard's rows."""
    grouped, of_section = by_section(rows), by_section(records(runs))
    of_priors = by_section(records(priors_table(runs)))
    titles = [section_title(rows[0]) for rows in grouped.values()]
    return [
        _section(f"s{number}", _unique(title, titles, rows[0]), rows, of_section[key], of_priors.get(key, []))
        for number, ((key, rows), title) in enumerate(zip(grouped.items(), titles, strict=True), 1)
    ]


def _section(name: str, title: str, rows: list[Row], runs: Sequence[Row], priors: Sequence[Row]) -> Section:
    own = [row for row in rows if row["prior"] == OWN]
    first = list({key_of(row): row for row in own}.values())
    shown = first[:MOST]
    labels = {key_of(row): label for row, label in zip(shown, labels_of(shown), strict=True)}
    priors = [row for row in priors if key_of(row) in labels]
    return Section(name, title, rows, shown, own_runs(shown, runs), priors, labels, _paints(shown, labels), len(first))


def _paints(shown: Sequence[Row], labels: Mapping[tuple[str, str], str]) -> dict[str, Paint]:
    """A base method has the first symbol of its family's colour."""
    families: dict[str, list[Row]] = {}
    for row in shown:
        families.setdefault(base_method(row["method"]), []).append(row)
    paints = {}
    for colour, (base, members) in zip(COLOURS * len(families), sorted(families.items())):
        for place, row in enumerate(sorted(members, key=lambda row: (row["method"] != base, row["method"]))):
            paints[labels[key_of(row)]] = Paint(colour, SYMBOLS[place % len(SYMBOLS)], DASHES[place % len(DASHES)])
    return paints


def _unique(title: str, titles: Sequence[str], row: Row) -> str:
    return f"{title}, data {row['data_fingerprint'][:8]}, {row['evaluation']}" if titles.count(title) > 1 else title
