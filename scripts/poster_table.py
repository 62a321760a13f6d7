"""The poster's table beside ours in results/reference/README.md, from the committed runs on real digits.

    python scripts/poster_table.py

The poster's numbers are those of results/reference/published.csv, ours those of the published evaluation's kind of
classifiers and of our robust ones in results/reference/overnight-rebuilt/leaderboard.csv: means over seeds, with
Student-t intervals from two seeds on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

REFERENCE = Path(__file__).parents[1] / "results/reference"
README = REFERENCE / "README.md"
RESULTS = REFERENCE / "overnight-rebuilt"
HEADINGS = (
    "| method | seeds | joint: poster | joint: ours | cross: poster | cross: ours "
    "| joint, robust | held-out aggregate, robust | cross, robust |"
)


def rows() -> list[dict[Any, Any]]:
    """The published rows of PolyMNIST, each with the leaderboard's row of the preset's own configuration."""
    published = pd.read_csv(REFERENCE / "published.csv").query("dataset == 'polymnist'")
    ours = pd.read_csv(RESULTS / "leaderboard.csv", keep_default_na=False)
    ours = ours[(ours["prior"] == "own") & (ours["settings"] == "")]
    return published.merge(ours, on="method", suffixes=("_poster", "")).to_dict("records")


def cell(row: dict[Any, Any], metric: str) -> str:
    """The mean, with its interval where several seeds give one."""
    mean, low, high = (float(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
    return f"{mean:.3f}" if int(row["seeds"]) < 2 else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def line(row: dict[Any, Any]) -> str:
    cells = [row["method"], str(row["seeds"])]
    for metric in ("joint_coherence", "cross_coherence"):
        cells += [f"{row[f'{metric}_poster']:.3f}", cell(row, f"{metric}_published")]
    aggregate = f"{float(row['joint_coherence_aggregate']):.3f}"
    cells += [cell(row, "joint_coherence"), aggregate, cell(row, "cross_coherence")]
    return "| " + " | ".join(cells) + " |"


def table() -> list[str]:
    """README's lines."""
    return [HEADINGS, "|---" * HEADINGS.count(" | ") + "|---|", *map(line, rows())]


def table_in(text: str) -> list[str]:
    """The lines of the table in the text."""
    lines = text.splitlines()
    start = lines.index(HEADINGS)
    return lines[start : lines.index("", start)]


def main() -> None:
    text = README.read_text()
    README.write_text(text.replace("\n".join(table_in(text)), "\n".join(table())))


if __name__ == "__main__":
    main()
