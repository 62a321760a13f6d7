"""The leaderboard for LaTeX, with booktabs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.reporting.grouping import by_section
from bench.reporting.rows import OWN, PUBLISHED

METRICS = {
    "joint_coherence": "joint",
    "cross_coherence": "cross",
    PUBLISHED["joint"]: r"joint\textsuperscript{p}",
    PUBLISHED["cross"]: r"cross\textsuperscript{p}",
}
SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
}
HEAD = r"""\begin{table}
\centering
\caption{%s}
\begin{tabular}{llr%s}
\toprule
method & prior & seeds & %s \\
\midrule"""
FOOT = r"""\bottomrule
\end{tabular}
\end{table}
"""

Row = Mapping[Any, Any]


def tex(table: pd.DataFrame) -> str:
    """A table environment for each section of the leaderboard. It needs the package booktabs.

    Bold is, in every column, the best mean over several seeds and each whose 95 % interval overlaps that of the best;
    rows of one model, and those with collapsed seeds, are never bold.
    """
    sections = by_section(table.to_dict("records"))
    return "\n".join(["% Needs \\usepackage{booktabs}", *map(_environment, sections.values())])


def escaped(text: str) -> str:
    """The text as LaTeX prints it. Unprintable characters are left out."""
    return "".join(SPECIAL.get(letter, letter) for letter in text if letter.isprintable())


def _environment(rows: Sequence[Row]) -> str:
    metrics = [metric for metric in METRICS if any(not math.isnan(row[metric]) for row in rows)]
    bold = {metric: _bold(rows, metric) for metric in metrics}
    first = rows[0]
    caption = escaped(f"{first['dataset']}, {first['source']} data, preset {first['preset']}. ")
    caption += r"Coherence: means over seeds with 95\,\% Student-$t$ intervals; of one seed, binomial ones. "
    caption += "Bold: the best and what its interval overlaps with, among means over several seeds."
    if set(PUBLISHED.values()) & set(metrics):
        caption += r" \textsuperscript{p}: by the published classifiers."
    lines = [HEAD % (caption, "l" * len(metrics), " & ".join(METRICS[metric] for metric in metrics))]
    for k, row in enumerate(rows):
        if k and (row["prior"] == OWN) != (rows[k - 1]["prior"] == OWN):
            lines.append(r"\midrule")
        cells = [_cell(row, metric, k in bold[metric]) for metric in metrics]
        lines.append(" & ".join([escaped(row["method"]), *_names(row), *cells]) + r" \\")
    return "\n".join([*lines, FOOT])


def _names(row: Row) -> list[str]:
    prior = row["trained_prior"] if row["prior"] == OWN else f"{row['prior']} (fitted)"
    return [escaped(prior), str(row["seeds"])]


def _cell(row: Row, metric: str, bold: bool) -> str:
    value, low, high = (row[f"{metric}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return "--"
    text = f"\\textbf{{{value:.3f}}}" if bold else f"{value:.3f}"
    return text if math.isnan(low) or math.isnan(high) else f"{text} {{\\scriptsize [{low:.3f}, {high:.3f}]}}"


def _bold(rows: Sequence[Row], metric: str) -> set[int]:
    """Places of the rows that are bold."""
    ranked = {
        k: row
        for k, row in enumerate(rows)
        if row["seeds"] > 1 and not row["collapsed_seeds"] and not math.isnan(row[metric])
    }
    if not ranked:
        return set()
    best = max(ranked.values(), key=lambda row: row[metric])
    return {k for k, row in ranked.items() if row is best or row[f"{metric}_high"] >= best[f"{metric}_low"]}
