"""Birds and captions, drawn and photographed."""

from __future__ import annotations

from committed import BIRDS, JOINT, PHOTOGRAPHS, joint, number, of_measures, of_preset, of_runs

DIRECTIONS = ("cross_coherence_from_image", "cross_coherence_from_caption")


def drawn_rows() -> list[list[str]]:
    """Every method on birds that this project draws."""
    directions = [of_measures(BIRDS, name) for name in DIRECTIONS]
    return [
        [
            row["method"],
            str(row["seeds"]),
            *joint(row),
            *(number(values[row["config_hash"]]) for values in directions),
        ]
        for row in of_preset(BIRDS)
    ]


def photograph_rows() -> list[list[str]]:
    """Four methods on photographs, each joint coherence with its chance."""
    directions = [of_measures(PHOTOGRAPHS, name) for name in DIRECTIONS]
    chances = [of_measures(PHOTOGRAPHS, name, "chance") for name in JOINT]
    return [
        [
            row["method"],
            str(row["seeds"]),
            *(f"{number(row[name])} ({number(chance[row['config_hash']])})" for name, chance in zip(JOINT, chances)),
            *(number(values[row["config_hash"]]) for values in directions),
        ]
        for row in of_runs(PHOTOGRAPHS).sort_values("method").to_dict("records")
    ]
