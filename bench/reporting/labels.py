"""What the rows of runs are called in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def labels_of(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Method names, with the configuration's hash where one method occurs with several."""
    hashes: dict[str, set[str]] = {}
    for row in rows:
        hashes.setdefault(row["method"], set()).add(row["config_hash"])
    return [
        f"{row['method']} {row['config_hash']}" if len(hashes[row["method"]]) > 1 else row["method"] for row in rows
    ]


def by_label(rows: Sequence[Mapping[Any, Any]]) -> dict[str, list[Mapping[Any, Any]]]:
    """The rows of each label, in order."""
    groups: dict[str, list[Mapping[Any, Any]]] = {}
    for label, row in zip(labels_of(rows), rows, strict=True):
        groups.setdefault(label, []).append(row)
    return groups
