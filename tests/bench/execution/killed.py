"""Kills trainings at random moments and resumes them until they end: python -m tests.bench.execution.killed FOLDER.

A process of its own, which forks for every attempt: it never trains itself, so that its children may.

Three ways to die, by SIGKILL: at a random event (around every step, fsync, rename and write of the lock), the same
with a power cut (what no fsync has made lasting is lost: new files are cut short, renames undone), and at a random
time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Takes seconds to import: once here, and not in every attempt.
import torch._dynamo  # noqa: F401

from bench.runner import execute
from bench.runs import lock as claims
from bench.runs import provenance
from bench.runs.run import Run
from bench.training import loop as training
from tests.bench.conftest import tiny_config
from tests.conftest import BandClassifiers
from tests.toy import image_data

KILLS = 50
WAYS = ["event", "power", "event", "power", "clock"]
METHODS = ["mmvae", "ebm-generalized"]


class Killer:
    """Ends this process at its `at`-th event; with `power`, as a power cut would."""

    def __init__(self, at: int, power: bool, folder: Path, choice: random.Random) -> None:
        self.left, self.power, self.folder, self.choice = at, power, folder, choice
        self.unsynced: set[int] = set()  # inodes of new files
        self.renames: list[tuple[Path, Path, Path | None]] = []  # from, to, and what was there: not yet made lasting
        self.graves = Path(tempfile.mkdtemp(dir=folder.parent))

    def install(self) -> None:
        training.update = self.around(training.update)
        claims._write = self.around(claims._write, damage=lambda file, _text: file.write('{"host": "'))
        tempfile.mkstemp = self.around(self.creating(tempfile.mkstemp))
        os.fsync = self.around(self.syncing(os.fsync))
        os.replace = self.around(self.renaming(os.replace))

    def around(
        self, function: Callable[..., Any], damage: Callable[..., object] = lambda *_: None
    ) -> Callable[..., Any]:
        """The function with an event before it and one after it; before a kill just there, `damage` is done."""

        def call(*arguments: Any, **options: Any) -> Any:
            if self.left == 1:
                damage(*arguments)
            self.event()
            result = function(*arguments, **options)
            self.event()
            return result

        return call

    def event(self) -> None:
        self.left -= 1
        if self.left == 0:
            if self.power:
                self.lose()
            os.kill(os.getpid(), signal.SIGKILL)

    def creating(self, create: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
        def call(*arguments: Any, **options: Any) -> tuple[int, str]:
            descriptor, name = create(*arguments, **options)
            self.unsynced.add(os.fstat(descriptor).st_ino)
            return descriptor, name

        return call

    def syncing(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            sync(descriptor)
            node = os.fstat(descriptor).st_ino
            self.unsynced.discard(node)
            self.renames = [entry for entry in self.renames if entry[1].parent.stat().st_ino != node]

        return call

    def renaming(self, rename: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def call(source: Path, target: Path) -> None:
            buried = None
            if target.exists():
                buried = self.graves / f"{len(os.listdir(self.graves))}"
                os.link(target, buried)
            rename(source, target)
            self.renames.append((Path(source), Path(target), buried))

        return call

    def lose(self) -> None:
        """Undoes some of the latest renames, and cuts short the files that were never synced."""
        for _ in range(self.choice.randint(0, len(self.renames))):
            source, target, buried = self.renames.pop()
            os.rename(target, source)
            if buried:
                os.link(buried, target)
        for path in self.folder.rglob("*"):
            if path.is_file() and path.stat().st_ino in self.unsynced:
                os.truncate(path, self.choice.randint(0, path.stat().st_size))


def attempt(run: Run, prepare: Callable[[], None]) -> int:
    """Forks a process that executes the run after `prepare`; gives its id. It exits with 0 when the run is done."""
    if process := os.fork():
        return process
    code = 2
    try:
        prepare()
        outcome = execute(run, image_data(train=64, test=24), BandClassifiers())
        print(run.path, outcome, run.status, file=sys.stderr)
        # Killed between its last results and its last status, a run is finished all the same.
        code = 0 if outcome in {"done", "skipped"} else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def arm(way: str, run: Run, seed: int) -> None:
    training.CHECKPOINT_SECONDS = 0.0
    choice = random.Random(seed)
    if way != "clock":
        run.path.mkdir(parents=True, exist_ok=True)
        Killer(choice.randint(1, 130), way == "power", run.path, choice).install()


def kill_until_done(run: Run, kills: Counter[str], chance: random.Random) -> None:
    """Raises RuntimeError when an attempt fails otherwise than by being killed."""
    while True:
        way = WAYS[kills.total() % len(WAYS)]
        process = attempt(run, partial(arm, way, run, chance.randrange(2**32)))
        if way == "clock":
            time.sleep(chance.uniform(0.0, 0.4))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status):
            if code := os.WEXITSTATUS(status):
                raise RuntimeError(f"{run.path}: an attempt ended with {code}")
            return
        kills[way] += 1


def main(folder: Path) -> None:
    # It asks git, which takes longer than a whole attempt.
    provenance.code = lambda: {"version": "0", "revision": None, "dirty": None, "sha256": "0"}
    chance, kills, count = random.Random(7), Counter[str](), 0
    while kills.total() < KILLS:
        method = METHODS[count % len(METHODS)]
        config = tiny_config(method, "trainer.epochs=2")
        reference = Run(config, 0, folder / "whole")
        if not reference.finished(config.evaluation):
            os.waitpid(attempt(reference, lambda: None), 0)
        kill_until_done(Run(config, 0, folder / f"killed-{count}"), kills, chance)
        count += 1
    print(json.dumps({"kills": kills, "runs": count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
