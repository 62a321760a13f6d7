"""The tables that `bench speed` prints."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bench.speed.training import NO_NAIVE_FORM

WIDTH = 100  # of the tables, at least: a narrower terminal would lose digits

PART_NAMES = {"step": "a step", "evaluation": "the evaluation", "data": "a batch from files"}
COSTS = {"seconds": ("Milliseconds", 1e-3, 1), "flops": ("GFLOP", 1e9, 2), "peak_bytes": ("Peak MiB", 2**20, 1)}


def console() -> Console:
    made = Console(highlight=False, soft_wrap=True)
    made.width = max(made.width, WIDTH)
    return made


def print_tables(result: dict[str, Any]) -> None:
    """Costs of steps and evaluation, a row per method."""
    hardware, rows = result["hardware"], result["methods"]
    peak = max(row["matmul_flops_per_second"] for row in rows)
    out = console()
    out.print(
        f"{hardware['name']}, {hardware['device']}, {hardware['threads']} threads, random data; a product of large "
        f"float32 matrices: {peak / 1e9:.0f} GFLOP/s"
    )
    for title, cells in TABLES.items():
        if cells is ways_cells and hardware["device"] == "cpu":
            continue
        out.print(table(title, {row["method"]: cells(row) for row in rows}))


def print_scaling(result: dict[str, Any]) -> None:
    """Time and memory of each part along each axis, a row per method, with the exponents of their growth."""
    out, points, fits = console(), result["points"], result["exponents"]
    for part, axis in dict.fromkeys((point["part"], point["axis"]) for point in points):
        of_both = [point for point in points if (point["part"], point["axis"]) == (part, axis)]
        for cost, (name, unit, digits) in COSTS.items():
            if part != "step" and cost == "flops":
                continue
            rows: dict[str, dict[str, str]] = {}
            for point in of_both:
                cell = f"{point[cost] / unit:.{digits}f}" if cost in point else "–"
                rows.setdefault(point["method"], {})[f"{point['size']:,}"] = cell
            for fit in fits:
                if (fit["part"], fit["axis"]) == (part, axis) and fit[cost] is not None:
                    rows[fit["method"]]["exponent"] = f"{fit[cost]:.2f}"
            out.print(table(f"{name} of {PART_NAMES[part]}, by {axis}", rows))
    for point in points:
        if "failed" in point:
            where = f"{PART_NAMES[point['part']]}, {point['method']}, {point['axis']} {point['size']:,}"
            out.print(f"{where}: beyond this machine ({point['failed']})", markup=False)


def table(title: str, rows: dict[str, dict[str, str]], first: str = "method") -> Table:
    """{row: {column: cell}} with the columns in the order in which they first appear."""
    header = dict.fromkeys(name for cells in rows.values() for name in cells)
    made = Table(first, title=title, title_justify="left", box=SIMPLE)
    for name in header:
        made.add_column(name, justify="right")
    for row, cells in rows.items():
        made.add_row(row, *(cells.get(name, "") for name in header))
    return made


def training_cells(row: dict[str, Any]) -> dict[str, str]:
    step = row["training"]["suite"]
    return {
        "ms": f"{1e3 * step['seconds']:.1f}",
        "quartiles": f"{1e3 * step['seconds_low']:.1f}–{1e3 * step['seconds_high']:.1f}",
        "samples/s": f"{step['samples_per_second']:.0f}",
        "GFLOP/s": f"{step['flops_per_second'] / 1e9:.1f}",
        "of peak": f"{step['share_of_matmul_peak']:.0%}",
        "MiB": f"{step['peak_bytes'] / 2**20:.0f}",
    }


def naive_cells(row: dict[str, Any]) -> dict[str, str]:
    step, naive = row["training"]["suite"], row["training"].get("naive")
    cells = {"experts": row["experts"] or "", "GFLOP": f"{step['flops'] / 1e9:.2f}"}
    if naive is None:
        reason = row["failed"]["naive"]
        return cells | {"naive ms": reason if reason == NO_NAIVE_FORM else "failed"}
    return cells | {
        "naive ms": f"{1e3 * naive['seconds']:.1f}",
        "naive GFLOP": f"{naive['flops'] / 1e9:.2f}",
        "faster": f"{naive['seconds'] / step['seconds']:.2f}×",
        "at equal GFLOP/s": f"{naive['flops'] / step['flops']:.2f}×",
    }


def ways_cells(row: dict[str, Any]) -> dict[str, str]:
    """Milliseconds of every way to train; on a CPU there are no others than those of the other tables."""
    milliseconds = {way: f"{1e3 * step['seconds']:.2f}" for way, step in row["training"].items()}
    failed = {way: reason if reason == NO_NAIVE_FORM else "failed" for way, reason in row["failed"].items()}
    return milliseconds | failed


def evaluation_cells(row: dict[str, Any]) -> dict[str, str]:
    rates = row["evaluation"]
    return {
        "prior samples/s": f"{rates['prior_samples_per_second']:.0f}",
        "cross generations/s": f"{rates['cross_generations_per_second']:.0f}",
        "coherence of 10,000, s": f"{rates['coherence_seconds']:.1f}",
    }


TABLES = {
    "A training step": training_cells,
    "Beside the naive way": naive_cells,
    "Ways to compute a step, ms": ways_cells,
    "Evaluation": evaluation_cells,
}
