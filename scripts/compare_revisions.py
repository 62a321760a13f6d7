"""Measures two checkouts of this project in turns on one machine, and writes how their times compare.

    git worktree add ../before REVISION
    python scripts/compare_revisions.py ../before . --work ../comparison --csv comparison.csv

Measured are training steps and coherence by `bench speed` with the convolutional and the quick preset's networks, the
whole quick table, a report on it, a command all of whose runs are there, and commands over 5,000 runs that are copies
of the table's, each time with another seed. A ratio above 1 says that AFTER is faster; memory is the largest resident
set of one process.
Each checkout runs its own code with this Python, and with a cache of its own that is empty at first: the first table
makes data and classifiers. What WORK holds is not measured again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.runs.machine import cores, processor

CONV = ["--network", "conv", "--batch-size", "128", "--latent", "64", "--rounds", "3", "--tuples", "500"]
QUICK = ["--rounds", "5", "--tuples", "1000"]
TABLE = ["run", "--methods", "all", "--dataset", "polymnist"]
MANY = 5_000
OVER_MANY = {"report": ["report"], "status": ["status"], "compare": ["compare", "mmvae", "ebm-base"]}


class Measured(NamedTuple):
    """A time, the revision whose it is (what WORK holds may be an earlier one's), and the memory that it took."""

    seconds: float
    revision: str
    mib: float | None = None


Times = dict[str, list[Measured]]  # by the checkout's name


class Checkout:
    """One of the two, and what was measured of it."""

    def __init__(self, name: str, path: Path, work: Path) -> None:
        self.name, self.path, self.work = name, path.resolve(), work.resolve()
        self.out, self.many, self.cache = (self.work / f"{part}-{name}" for part in ("out", "many", "cache"))
        command = ["git", "-C", str(self.path), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"]
        self.revision = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def bench(self, *arguments: str) -> float:
        """The largest resident set, in MiB. Raises SystemExit where the command fails."""
        paths = [str(self.path), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "BENCH_CACHE": str(self.cache)}
        command = [sys.executable, "-m", "bench", *arguments]
        process = subprocess.Popen(command, cwd=self.path, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"`bench {arguments[0]}` of {self.path} failed, with {process.returncode}: see above")
        return usage.ru_maxrss / 1024

    def speed(self, kind: str, turn: int, *options: str) -> list[dict[str, str]]:
        """What `bench speed` found of the way that trainings go, a row a method."""
        path = self.work / f"{kind}-{self.name}-{turn}.csv"
        if not path.exists():
            self.bench("speed", "--methods", "all", "--dataset", "polymnist", *options, "--csv", str(path))
        with path.open(newline="") as file:
            return [row for row in csv.DictReader(file) if row["way"] == "suite"]

    def seconds(self, kind: str, turn: int, out: Path, *arguments: str) -> Measured:
        """Wall time and memory of a command on a folder of this checkout's results."""
        path = self.work / f"{kind}-{self.name}-{turn}.json"
        if not path.exists():
            if kind == "quick-table":  # of an interrupted one only the rest would be measured
                for left in (self.out, self.cache):
                    shutil.rmtree(left, ignore_errors=True)
            start = time.perf_counter()
            mib = self.bench(*arguments, "--out", str(out))
            path.write_text(json.dumps([time.perf_counter() - start, self.revision, mib]))
        return Measured(*json.loads(path.read_text()))

    def multiply(self) -> None:
        """Fills `many` with MANY runs: one of each configuration of the table's again and again, each time as another
        seed; without checkpoints and pictures."""
        runs = list({run.parent: run for run in sorted(self.out.glob("runs/*/*/*/seed-*"))}.values())
        if not runs:
            raise SystemExit(f"{self.out} has no runs, of which {self.work} has the times: empty {self.work}")
        if self.many.exists():
            return
        part = self.many.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        for number in range(MANY):
            run, seed = runs[number % len(runs)], number // len(runs)
            target = part / run.parent.relative_to(self.out) / f"seed-{seed}"
            shutil.copytree(run, target, ignore=shutil.ignore_patterns("*.pt", "*.png", "lock"))
            origin = json.loads((target / "provenance.json").read_text())
            (target / "provenance.json").write_text(json.dumps(origin | {"seed": seed}))
        part.rename(self.many)


def compared(before: Checkout, after: Checkout, turns: int) -> Iterator[dict[str, object]]:
    """A row for each thing that is measured: medians over the turns."""
    for kind, options in (("conv", CONV), ("quick", QUICK)):
        found: dict[tuple[str, str], Times] = {}
        for turn in range(1, turns + 1):
            for checkout in (before, after):
                for row in checkout.speed(kind, turn, *options):
                    coherence = f"{kind}, coherence of 10,000 by {row['coherence_tuples']} tuples"
                    for measured, column in ((f"{kind}, training step", "seconds"), (coherence, "coherence_seconds")):
                        times = found.setdefault((measured, row["method"]), {})
                        took = Measured(float(row[column]), row["revision"][:12])
                        times.setdefault(checkout.name, []).append(took)
        for (measured, method), times in found.items():
            yield _row(measured, method, times)
    outs = {checkout: checkout.out for checkout in (before, after)}
    yield _in_turns("quick table", outs, 1, TABLE)
    yield _in_turns("report", outs, turns, ["report"])
    yield _in_turns("all runs there", outs, turns, TABLE)
    for checkout in outs:
        checkout.multiply()
    for name, arguments in OVER_MANY.items():
        yield _in_turns(f"{name}, {MANY:,} runs", {checkout: checkout.many for checkout in outs}, turns, arguments)


def _in_turns(measured: str, folders: dict[Checkout, Path], turns: int, arguments: Sequence[str]) -> dict[str, object]:
    times: Times = {}
    for turn in range(1, turns + 1):
        for checkout, out in folders.items():
            took = checkout.seconds(measured.replace(",", "").replace(" ", "-"), turn, out, *arguments)
            times.setdefault(checkout.name, []).append(took)
    return _row(measured, "", times)


def _row(measured: str, method: str, times: Times) -> dict[str, object]:
    before, after = (statistics.median(took.seconds for took in times[name]) for name in ("before", "after"))
    row = {"measured": measured, "method": method, "seconds_before": f"{before:.4g}", "seconds_after": f"{after:.4g}"}
    revisions = {f"revision_{name}": " ".join(dict.fromkeys(took.revision for took in times[name])) for name in times}
    known = {name: [took.mib for took in times[name] if took.mib is not None] for name in times}
    memory = {f"mib_{name}": f"{max(mib):.0f}" if mib else "" for name, mib in known.items()}
    return row | {"ratio": f"{before / after:.3f}", **memory, "turns": len(times["before"])} | revisions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="a folder for caches, runs and times")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=2, choices=range(1, 100), metavar="1-99")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        before, after = (Checkout(name, getattr(options, name), options.work) for name in ("before", "after"))
    except subprocess.CalledProcessError:
        parser.error("before and after have to be checkouts of this project with git")
    rows = list(compared(before, after, options.turns))
    shared = {"hardware": processor(), "cores": cores()}
    with options.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *shared], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | shared for row in rows)


if __name__ == "__main__":
    main()
