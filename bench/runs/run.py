"""A run is a configuration, a seed, and a directory of files. Only this module knows where they lie.

OUT/runs/<dataset>/<method>/<preset>-<hash>/seed-<s>/
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import BenchError, printable
from bench.runs.contents import read_config, read_provenance
from bench.runs.names import component, is_name
from bench.runs.reading import Unreadable
from bench.runs.state import Status, read_status, true_status
from bench.runs.store import previous
from bench.runs.whole import holds_measures, holds_training

if TYPE_CHECKING:
    from bench.config.schema import EvaluationConfig, RunConfig


class Layout(ABC):
    """The files of a run's directory."""

    @property
    @abstractmethod
    def path(self) -> Path: ...

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def provenance_file(self) -> Path:
        return self.path / "provenance.json"

    @property
    def status_file(self) -> Path:
        return self.path / "status.json"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def checkpoint_file(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def training_file(self) -> Path:
        """What the training took. Its presence means that the run is trained."""
        return self.path / "training.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def measures_folder(self) -> Path:
        return self.path / "measures"

    @property
    def priors_folder(self) -> Path:
        return self.path / "priors"

    def picture_file(self, name: str) -> Path:
        return self.path / f"samples_{component(name)}.png"

    @property
    def status(self) -> Status:
        """What the run said last."""
        return read_status(self)

    def true_state(self) -> str:
        """The state in status.json, unless the other files say otherwise; see `bench.runs.state.true_status`."""
        return true_status(self)["state"]

    @property
    def has_checkpoint(self) -> bool:
        return any(map(os.path.lexists, (self.checkpoint_file, previous(self.checkpoint_file))))

    @property
    def trained(self) -> bool:
        """Whether training.json is there and holds what it should."""
        return holds_training(self.training_file)

    def problem_of_results(self) -> str | None:
        """The file that a run which says that it is done does not have, for people; None where it has them."""
        if not self.trained:
            there = os.path.lexists(self.training_file)
            return f"training.json {'cannot be read' if there else 'is not there'}"
        try:
            read_provenance(self.provenance_file)
            read_config(self.config_file)
        except Unreadable as error:
            return f"config.yaml or provenance.json {error}"
        try:
            damaged = [file.name for file in self.measures_folder.glob("*.json") if not holds_measures(file)]
        except OSError as error:
            return f"measures cannot be read ({error.strerror})"
        return printable(f"measures/{damaged[0]} cannot be read") if damaged else None


@dataclass(frozen=True)
class Directory(Layout):
    """A run's directory, whatever it holds."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder


@dataclass(frozen=True)
class Run(Layout):
    """A configuration and a seed, and the output directory in which their results lie."""

    config: RunConfig
    seed: int
    out: Path

    def __repr__(self) -> str:
        return f"<Run of {self.owner} in {self.out}>"

    @property
    def path(self) -> Path:
        c = self.config
        names = (c.dataset, c.method, f"{c.preset}-{c.hash}", f"seed-{self.seed}")
        return self.out.joinpath("runs", *map(component, names))

    @property
    def name(self) -> str:
        return f"{self.config.method} seed {self.seed}"

    @property
    def owner(self) -> str:
        """What its checkpoints are marked with, so that one that was copied elsewhere is known."""
        return f"{self.config.method} {self.config.hash} seed {self.seed}"

    @property
    def relative_path(self) -> str:
        """The directory as submissions and `bench status` name it: relative to the output directory."""
        return str(self.path.relative_to(self.out))

    def measure_file(self, evaluator: str, evaluation: EvaluationConfig | None = None) -> Path:
        """Of an evaluator with the settings that are asked for: the run's own, unless others are given."""
        key = (evaluation or self.config.evaluation).key("evaluators", evaluator)
        return self.measures_folder / f"{component(evaluator)}@{key}.json"

    def prior_file(self, prior: str, evaluation: EvaluationConfig | None = None) -> Path:
        """Of a fitted prior with the settings that are asked for: the run's own, unless others are given."""
        key = (evaluation or self.config.evaluation).key("priors", prior)
        return self.priors_folder / f"{component(prior)}@{key}.json"

    def finished(self, evaluation: EvaluationConfig | None = None) -> bool:
        """Whether the run is trained and, where an evaluation is given, has every default evaluator's file for it."""
        from evaluators import default_evaluators  # noqa: PLC0415  # loads them, and so torch

        if not self.trained:
            return False
        return evaluation is None or all(
            holds_measures(self.measure_file(name, evaluation)) for name in default_evaluators()
        )

    def clear(self) -> None:
        """Empties the directory, but for its lock. A symbolic link in it goes, and what it points to stays.

        The results go first, and what says which data they are of goes last: killed in between, it is an unfinished
        run that is trained from the first step, and no older checkpoint passes for one of other data.

        Raises BenchError, before anything is deleted, where something cannot be.
        """
        if self.path.is_symlink():
            raise BenchError(f"{self.path} is a symbolic link, behind which --force deletes nothing: remove it first")
        first = [self.training_file, self.checkpoint_file, previous(self.checkpoint_file)]
        entries = [entry for entry in self.path.iterdir() if entry != self.lock_file]
        for folder in [self.path, *(entry for entry in entries if _is_folder(entry))]:
            _check_deletable(folder)
        last = [self.provenance_file]
        others = [entry for entry in entries if entry not in {*first, *last}]
        for entry in [*first, *others, *last]:
            if _is_folder(entry):
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)


class Parts(NamedTuple):
    """What the path of a run's directory says; the run's files say it too, and only they are believed."""

    dataset: str
    method: str
    preset: str
    config: str  # the configuration's hash
    seed: int


def parts(path: Path) -> Parts | None:
    """None for a path that no run of this code has, such as a copy's."""
    *_, dataset, method, folder, last = ("", "", "", "", *path.parts)
    preset, dash, config = folder.rpartition("-")
    seed = last.removeprefix("seed-")
    if not (dash and preset and config and last != seed and seed.isascii() and seed.isdecimal() and len(seed) < 20):
        return None
    return Parts(dataset, method, preset, config, int(seed))


def find(out: Path) -> list[Path]:
    """The run directories of an output directory, by path: all that are named as one, also copies of them.

    Raises BenchError where the directory cannot be read.
    """
    try:
        return sorted(path for path in out.glob("runs/*/*/*/seed-*") if path.is_dir())
    except OSError as error:
        raise BenchError(f"{printable(str(out))} cannot be read ({error.strerror})") from error


def is_relative_path(text: str) -> bool:
    """Whether it is a run's directory relative to an output directory, and leads nowhere else."""
    names = text.split("/")
    return len(names) == 5 and names[0] == "runs" and all(map(is_name, names)) and parts(Path(text)) is not None


def _is_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink()


def _check_deletable(folder: Path) -> None:
    """Raises BenchError where an entry of the folder, or of one in it, could not be deleted."""
    for path, _, _ in os.walk(folder):
        if not os.access(path, os.W_OK | os.X_OK):
            raise BenchError(f"{printable(path)} cannot be emptied (permission denied): nothing was deleted")
