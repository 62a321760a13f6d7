"""Checks and measures the suite on a CUDA device, in one command of about ten minutes.

    python scripts/accelerator_check.py OUT

Three parts: the tests that need a device; the speed of every way to compute a training step, and how it scales; and
runs of the quick preset on the device and on the CPU, whose coherences have to agree. OUT receives the log of every
command, what they measured (CSV) and summary.md. A part that fails does not stop the others. Exit code: 0 all is well,
1 otherwise.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

LIMIT = 240.0  # seconds that a command may take
# Trainings of one seed on two devices differ as those of two seeds do.
TOLERANCE = 0.12
METHODS = "mmvae,mopoe,ebm-generalized"

TESTS = ("-m", "pytest", "-n0", "-q", "-rs", "tests/bench/training", "tests/bench/speed")
SPEED = ("-m", "bench", "speed", "--dataset", "polymnist", "--device", "cuda", "--methods", "all")
CONV = ("--network", "conv", "--batch-size", "128", "--latent", "64", "--tuples", "10000")
PAPER = ("--preset", "paper", "--rounds", "3")
RUN = ("-m", "bench", "run", "--dataset", "polymnist", "--source", "bundled", "--methods", METHODS)


def command(out: Path, name: str, *arguments: str) -> tuple[str, bool, float]:
    """Executes Python with the arguments, into the file OUT/NAME.txt: (name, whether it succeeded, seconds)."""
    started = time.perf_counter()
    with (out / f"{name}.txt").open("w") as log:
        try:
            done = subprocess.run([sys.executable, *arguments], stdout=log, stderr=log, timeout=LIMIT, check=False)
            well = done.returncode == 0
        except subprocess.TimeoutExpired:
            well = False
    print(f"{name}: {'done' if well else 'FAILED'}", flush=True)
    return name, well, time.perf_counter() - started


def speed(out: Path, name: str, *arguments: str) -> tuple[str, bool, float]:
    """One table of `bench speed`, with its CSV."""
    return command(out, name, *SPEED, *arguments, "--csv", str(out / f"{name}.csv"))


def trainings(out: Path) -> list[tuple[str, bool, float]]:
    """Runs on both devices at once: they do not share one."""
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(command, out, f"run-{device}", *RUN, "--device", device, "--out", str(out / device))
            for device in ("cuda", "cpu")
        ]
        return [job.result() for job in jobs]


def agreement(out: Path) -> tuple[pd.DataFrame, bool]:
    """Coherences on both devices, and whether each pair differs by no more than noise."""
    columns = ["joint_coherence", "joint_coherence_aggregate", "cross_coherence"]
    cuda, cpu = (
        pd.read_csv(out / device / "leaderboard.csv").set_index("method")[columns] for device in ("cuda", "cpu")
    )
    difference = (cuda - cpu).abs()
    table = cuda.join(cpu, lsuffix=" (cuda)", rsuffix=" (cpu)").join(difference.max(axis=1).rename("difference"))
    return table, bool((difference <= TOLERANCE).all(axis=None) and len(difference) == len(METHODS.split(",")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, metavar="OUT")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    results = [
        command(out, "tests", *TESTS),
        speed(out, "speed-conv", *CONV),
        speed(out, "speed-paper", *PAPER),
        speed(out, "scaling", "--scaling", "--rounds", "3"),
        *trainings(out),
    ]
    well, text = summary(out, results)
    (out / "summary.md").write_text(text)
    print(text)
    return 0 if well else 1


def summary(out: Path, results: list[tuple[str, bool, float]]) -> tuple[bool, str]:
    """Whether all is well, and the content of summary.md."""
    lines = ["| part | | seconds |", "|---|---|---|"]
    lines += [f"| {name} | {'done' if well else 'FAILED'} | {seconds:.0f} |" for name, well, seconds in results]
    well = all(well for _, well, _ in results)
    if (out / "cuda/leaderboard.csv").exists() and (out / "cpu/leaderboard.csv").exists():
        table, same = agreement(out)
        well = well and same
        lines += ["", f"Coherence on both devices {'agrees' if same else 'DOES NOT AGREE'} (± {TOLERANCE}):", ""]
        lines += ["```", table.round(3).to_string(), "```"]
    for name in ("speed-conv", "speed-paper", "scaling"):
        lines += ["", "```", (out / f"{name}.txt").read_text(), "```"]
    return well, "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
