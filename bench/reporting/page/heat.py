"""Is it the prior's fault: method × prior, with the share of the gap that each prior closes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.reporting.page.sections import Row
from bench.reporting.prior_lines import Estimate, by_prior, closed_by, columns_of, estimate, named_models
from bench.reporting.priors import REFERENCE, TRAINED

ROLES = ("own", "fitted", "reference")


@dataclass(frozen=True)
class Cell:
    """Of the heat map; `share` in [0, 1] is its colour."""

    text: str
    note: str
    share: float | None


@dataclass(frozen=True)
class Heat:
    """The heat map: columns as (role, prior), a line a model with a cell, or None, for each column."""

    columns: list[tuple[str, str]]
    lines: list[tuple[str, str, list[Cell | None]]]
    fitted: bool

    @property
    def large(self) -> bool:
        """Whether it takes the whole width of the page."""
        return len(self.columns) > 4


def heat_of(rows: Sequence[Row]) -> Heat | None:
    """None where no gap is known. Lines are (model, its floor and its top in words, cells)."""
    models = named_models(rows)
    closed = {name: found for name, part in models.items() if (found := closed_by(part))}
    columns = columns_of(closed)
    if not columns:
        return None
    joint = {name: _joint(models[name]) for name in closed}
    lines = [
        (name, _ends(models[name]), [_cell(line, column, joint[name]) for column in columns])
        for name, line in closed.items()
    ]
    shown = [(ROLES[kind], label) for kind, label, _ in columns]
    return Heat(shown, lines, any(kind == 1 for kind, _, _ in columns))


def _cell(
    line: dict[tuple[int, str, str], Estimate | None],
    column: tuple[int, str, str],
    joint: dict[tuple[str, str], Estimate],
) -> Cell | None:
    if column not in line:
        return None
    share, kind = line[column], column[0]
    found = joint.get(("", "") if kind == 0 else (column[1], column[2]))
    note = f"{found.mean:.3f}" if found else ""
    if share is None:
        return Cell("is p0", note, 0.0)
    return Cell(f"{share.mean:+.0%}", note, min(1.0, max(0.0, share.mean)))


def _joint(rows: Sequence[Row]) -> dict[tuple[str, str], Estimate]:
    """Joint coherence by prior and settings; that of the own prior under ("", "")."""
    found: dict[tuple[str, str], Estimate] = {}
    for group in by_prior(rows):
        first, joint = group[0], estimate(group, "joint_coherence")
        if joint and (first["role"] != REFERENCE or first["prior"] == "bootstrap"):
            key = ("", "") if first["role"] == TRAINED else (first["prior"], first["prior_settings"])
            found.setdefault(key, joint)
    return found


def _ends(rows: Sequence[Row]) -> str:
    """The floor and the top of a model's gap."""
    words = []
    for name, called in (("p0", "p0"), ("held-out aggregate", "aggregate")):
        found = estimate([row for row in rows if row["prior"] == name and row["role"] == REFERENCE], "joint_coherence")
        if found:
            words.append(f"{called} {found.mean:.3f}")
    return ", ".join(words)
