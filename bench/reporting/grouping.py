"""Which rows stand together: sections of rows that compare, and the runs of their configurations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.reporting.rows import OWN

MOST = 20  # configurations in a figure or a gallery: of more, none could be told from another
SECTION = ("dataset", "source", "preset", "data_fingerprint", "evaluation")  # what rows of one table share


def by_section(rows: Sequence[Mapping[Any, Any]]) -> dict[tuple[Any, ...], list[Mapping[Any, Any]]]:
    """The rows that may be compared with each other, by what they share (`SECTION`)."""
    groups: dict[tuple[Any, ...], list[Mapping[Any, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in SECTION), []).append(row)
    return groups


def key_of(row: Mapping[Any, Any]) -> tuple[str, str]:
    """Which configuration it is of."""
    return row["method"], row["config_hash"]


def own_runs(rows: Iterable[Mapping[Any, Any]], runs: Iterable[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    """The runs of the rows' configurations under their own priors, in the order of the rows and by seed."""
    order = {key_of(row): place for place, row in enumerate(rows)}
    found = [run for run in runs if run["prior"] == OWN and key_of(run) in order]
    return sorted(found, key=lambda run: (order[key_of(run)], run["seed"]))


def section_title(row: Mapping[Any, Any]) -> str:
    return f"{row['dataset']}, {row['source']} data, preset {row['preset']}"
