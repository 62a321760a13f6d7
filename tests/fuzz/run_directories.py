"""Damages finished runs at random, and asks the commands about them: python -m tests.fuzz.run_directories --seconds 60

Whatever a file holds, no command may end in a traceback, wait for ever, lose a run that is not damaged, or give an exit
code that contradicts what it says. A failure names the round; `--seed S --round N` makes the same one again.
"""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.cli import main as bench
from bench.errors import BenchError
from bench.reporting.leaderboard import make_tables
from tests.bench.rundirs import config_of, with_intervals, write_measures, write_prior, write_real_run
from tests.fuzz.damage import damage
from tests.fuzz.playing import Failure, command, play_until

PATIENCE = 30  # seconds that a command may take
ROUNDS_A_FIGURE = 10  # figures take longer than all the rest


@dataclass(frozen=True)
class Answer:
    """What a command printed and logged, and its exit code."""

    code: int
    text: str
    warnings: str


def build(out: Path) -> list[Path]:
    """Finished runs: two seeds of one method, and one of each of two others, one of these with held-out tuples."""
    runs = [("mmvae", 0, "0"), ("mmvae", 1, "0"), ("mopoe", 0, "0"), ("ebm-base", 0, "0.05")]
    paths = []
    for method, seed, share in runs:
        config = config_of(method, "trainer.epochs=2", f"trainer.validation={share}")
        run = write_real_run(out, config, seed, joint=0.4 + seed / 10)
        write_prior(run, "mixture", 0.8, class_entropy=2.0)
        write_measures(run, "subsets", cross_coherence_1=0.5, cross_coherence_2=0.6)
        paths.append(with_intervals(run))
    return paths


def ask(command: Callable[[], int]) -> Answer:
    """Runs a command in this process. Raises Failure for an exception that it lets through, or if it takes too long."""
    printed, logged = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(logged)
    log = logging.getLogger("bench")
    log.addHandler(handler)
    log.propagate = False
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(PATIENCE)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = command()
    except Failure:
        raise
    except Exception as error:
        raise Failure(f"a traceback:\n{traceback.format_exc()}") from error
    finally:
        signal.alarm(0)
        log.removeHandler(handler)
    return Answer(code, printed.getvalue(), logged.getvalue())


def _too_long(*_: object) -> None:
    raise Failure(f"took more than {PATIENCE} seconds")


def check(condition: bool, message: str, answer: Answer) -> None:
    if not condition:
        raise Failure(f"{message}; exit code {answer.code}:\n{answer.text[-3000:]}\n{answer.warnings[-3000:]}")


def rows_of(out: Path) -> set[tuple[str, ...]]:
    """Of measures.csv."""
    with (out / "measures.csv").open(newline="") as file:
        return {tuple(row.values()) for row in csv.DictReader(file)}


def tables(out: Path) -> int:
    """`bench report` without its figures."""
    try:
        make_tables(out)
    except BenchError as error:
        print(error)
        return error.exit_code
    return 0


def ask_all(out: Path, expected: set[tuple[str, ...]], figures: bool) -> None:
    """Asks every command about the folder. `expected` are the rows of runs that are not damaged."""
    report = ask((lambda: bench(["report", "--out", str(out)])) if figures else (lambda: tables(out)))
    check(report.code == 0, "report made no table", report)
    missing = expected - rows_of(out)
    check(not missing, f"report lost rows of undamaged runs: {sorted(missing)[:3]}", report)
    check("nan" not in (out / "leaderboard.md").read_text(), "the table for people says nan", report)
    comparison = ask(lambda: bench(["compare", "mmvae", "mopoe", "--out", str(out)]))
    check(comparison.code in (0, 2, 3), "compare has no such exit code", comparison)
    check(comparison.code == 0 or "bench: " in comparison.text, "compare failed without a sentence", comparison)
    merge = ask(lambda: bench(["merge", "--check", str(out)]))
    check(merge.code == (1 if "problem: " in merge.text else 0), "merge's exit code is not what it says", merge)
    left_out = [line for line in report.warnings.splitlines() if "a copy is not another seed" not in line]
    check(merge.code == 1 or not left_out, f"merge accepts what report leaves out: {left_out[:3]}", merge)
    status = ask(lambda: bench(["status", "--out", str(out)]))
    check(status.code == 0, "status failed", status)
    # None of these runs has a checkpoint: each is named, and nothing is written.
    evaluation = ask(lambda: bench(["evaluate", str(out), "--evaluators", "probes"]))
    check(evaluation.code in (1, 3), "evaluate has no such exit code", evaluation)
    check(not list(out.rglob("probes@*")), "evaluate wrote beside a run that it cannot evaluate", evaluation)
    for answer in (report, comparison, merge, status, evaluation):
        said = answer.text + answer.warnings
        check("Traceback" not in said, "a traceback is printed", answer)
        check(not any(c in said for c in "\x1b\x07\u202e"), "what a file holds reaches the terminal", answer)


def play(base: Path, runs: list[Path], rows: Mapping[Path, set[tuple[str, ...]]], seed: int, number: int) -> None:
    """One round. Raises Failure, with what was damaged."""
    rng = Random(f"{seed} {number}")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        shutil.copytree(base, out)
        victims = rng.sample(runs, rng.choice([1, 1, 2]))
        done = [
            f"{victim.relative_to(base)}/{damage(rng, out / victim.relative_to(base))}"
            for victim in victims
            for _ in range(rng.choice([1, 1, 1, 3]))
        ]
        expected = set().union(*(rows[run] for run in runs if run not in victims))
        try:
            ask_all(out, expected, figures=number % ROUNDS_A_FIGURE == 0)
        except Failure as failure:
            raise Failure(f"seed {seed}, round {number}, after\n  " + "\n  ".join(done) + f"\n{failure}") from failure


@contextlib.contextmanager
def prepared() -> Iterator[tuple[Path, list[Path], dict[Path, set[tuple[str, ...]]]]]:
    """A folder of undamaged runs, and each run's rows in measures.csv."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        runs = build(base)
        answer = ask(lambda: bench(["merge", "--check", str(base)]))
        check(answer.code == 0, "undamaged runs are not in order", answer)
        rows = {}
        for run in runs:
            alone = Path(folder) / "alone"
            shutil.copytree(run, alone / run.relative_to(base))
            make_tables(alone)
            rows[run] = rows_of(alone)
            shutil.rmtree(alone)
        yield base, runs, rows


def fuzz(seconds: float, seed: int, rounds: Iterator[int]) -> int:
    """Plays rounds until the time is over; how many. Raises Failure."""
    with prepared() as (base, runs, rows):
        return play_until(seconds, rounds, lambda number: play(base, runs, rows, seed, number))


def main() -> int:
    os.environ["NO_COLOR"] = "1"
    return command(__doc__, fuzz)


if __name__ == "__main__":
    sys.exit(main())
