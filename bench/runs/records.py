"""Run directories -> records: the one reader that tables, figures and comparisons have, and it trusts no file.

A run is what its files say (data fingerprint, configuration hash, seed), not where it lies: a copied folder is the same
run. What cannot be read is left out and named in `problems`; the rest of the record is there.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from bench.runs import contents, measured, reading
from bench.runs.contents import Identity, Provenance, Training
from bench.runs.measured import MeasureSet, PriorSet
from bench.runs.reading import Missing, Unreadable
from bench.runs.run import Directory, Parts, parts
from bench.runs.state import Status, read_status

T = TypeVar("T")
S = TypeVar("S", MeasureSet, PriorSet)
log = logging.getLogger("bench")

RUN = "the run is left out"


@dataclass(frozen=True)
class Head:
    """The two files that say which run it is; `identity` is None where they do not, or contradict each other."""

    path: Path
    config: Mapping[str, Any]
    provenance: Provenance | None
    identity: Identity | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Record(Head):
    """A run directory. `training` is None until the run is trained, `history` where there is no such file."""

    state: Status
    training: Training | None
    measures: tuple[MeasureSet, ...]
    priors: tuple[PriorSet, ...]
    history: Path | None

    @property
    def parts(self) -> tuple[MeasureSet | PriorSet, ...]:
        """All files of measures."""
        return (*self.measures, *self.priors)


def warn(problem: str) -> None:
    log.warning("%s", problem)


def read_records(out: Path, report: Callable[[str], None] = warn) -> Iterator[Record]:
    """Every run below OUT/runs once, by path. What is left out (files, runs, copies of runs) goes to `report`."""
    heads, problems = distinct([verified(read_head(path)) for path in run_folders(out, report)])
    for problem in problems:
        report(problem)
    for head in heads:
        record = complete(head)
        for problem in record.problems:
            report(problem)
        if record.identity is not None:
            yield record


def read_record(path: Path) -> Record:
    """The run in the directory, whatever is in it. Raises nothing, never waits, and does not import torch."""
    return complete(read_head(path))


def run_folders(out: Path, report: Callable[[str], None] = warn) -> list[Path]:
    """The run directories, by path, and copies of them: as `bench.runs.run.find`, but an unreadable folder is named."""
    level = [out / "runs"]
    for _ in range(4):
        level = [entry for folder in level for entry in _folders(folder, report)]
    return [path for path in level if path.name.startswith("seed-")]


def _folders(folder: Path, report: Callable[[str], None]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.name[0] != "." and entry.is_dir())
    except FileNotFoundError:  # none was made, as where every run was refused
        return []
    except OSError as error:
        report(f"{shown(folder)} is left out: it cannot be read ({error.strerror})")
        return []


def distinct(heads: Sequence[Head]) -> tuple[list[Head], list[str]]:
    """Each run once: the one at its own place, else the first by path. And a sentence for each that is left out."""
    chosen: dict[Identity, Head] = {}
    for head in heads:
        if head.identity and (head.identity not in chosen or (at_home(head) and not at_home(chosen[head.identity]))):
            chosen[head.identity] = head
    kept, problems = [], []
    for head in heads:
        if head.identity is None or chosen[head.identity] is head:
            kept.append(head)
        else:
            problems.append(
                f"{shown(head.path)} is left out: it is the same run as {shown(chosen[head.identity].path)} (data, "
                "configuration and seed are equal), and a copy is not another seed"
            )
    return kept, problems


def at_home(head: Head) -> bool:
    """Whether the run lies where its files say that it belongs."""
    if head.identity is None:
        return False
    dataset, method, _, config_hash, seed = head.identity
    return parts(head.path) == Parts(dataset, method, head.config["preset"], config_hash, seed)


def read_head(path: Path) -> Head:
    """Which run the directory holds. Raises nothing, never waits, and does not import torch."""
    problems: list[str] = []
    # A run that has just been started has neither yet.
    run = Directory(path)
    required = any(map(os.path.lexists, (run.training_file, run.measures_folder, run.priors_folder)))
    config = _attempt(run.config_file, contents.read_config, problems, RUN, required) or {}
    provenance = _attempt(run.provenance_file, contents.read_provenance, problems, RUN, required)
    if not config or not provenance:
        return Head(path, config, provenance, None, tuple(problems))
    said = {"method": provenance.method, "dataset": provenance.dataset, "source": provenance.source}
    said |= {"fingerprint": provenance.identity.fingerprint}
    for key, value in said.items():
        if config[key] != value:
            problems.append(_contradiction(path, f"{key} is {config[key]} in one and {value} in the other"))
            return Head(path, config, provenance, None, tuple(problems))
    return Head(path, config, provenance, provenance.identity, tuple(problems))


def verified(head: Head) -> Head:
    """The head, without identity where the configuration does not have the hash that provenance.json names."""
    if head.identity is None:
        return head
    computed = recomputed_hash(json.dumps(head.config, sort_keys=True))
    if computed in (None, head.identity.hash):
        return head
    problem = _contradiction(head.path, f"the settings have the hash {computed}, and not {head.identity.hash}")
    return Head(head.path, head.config, head.provenance, None, (*head.problems, problem))


def _contradiction(path: Path, what: str) -> str:
    return f"{shown(path)} is left out: config.yaml and provenance.json contradict each other: {what}"


@lru_cache(maxsize=4096)
def recomputed_hash(config: str) -> str | None:
    """The hash of a configuration (JSON); None where this version of the code does not have the same settings."""
    from bench.config.restore import restore  # noqa: PLC0415 (imports the methods, and with them torch)

    try:
        # No part of the hash, and its preset would be read for each configuration.
        return restore({"evaluation": {"samples": 2, "batch_size": 1}, **json.loads(config)}, "config.yaml").hash
    except Exception:  # of another version, or of a plug-in that is not here: nothing can be said
        return None


def complete(head: Head) -> Record:
    """The record of a run whose head was read. Raises nothing and never waits."""
    run, problems = Directory(head.path), list(head.problems)
    state = read_status(run)
    if problem := state.get("problem"):
        problems.append(f"{shown(head.path)}: {problem}")
    measures = _sets(
        run.measures_folder, measured.read_measures, lambda s: (s.evaluator, s.evaluation, s.settings), problems
    )
    priors = _sets(run.priors_folder, measured.read_prior, lambda s: (s.prior, s.evaluation, s.settings), problems)
    # Trained is what has training.json; results without it are of an older layout, or it was lost.
    required = bool(measures or priors) or state["state"] == "done" or os.path.lexists(head.path / "metrics.json")
    training = _attempt(run.training_file, contents.read_training, problems, RUN, required)
    return Record(
        *(head.path, head.config, head.provenance, head.identity, tuple(problems)),
        state=state,
        training=training,
        measures=measures,
        priors=priors,
        history=run.history_file if os.path.lexists(run.history_file) else None,
    )


def _sets(folder: Path, read: Callable[[Path], S], key: Callable[[S], Hashable], problems: list[str]) -> tuple[S, ...]:
    """The files of measures in the folder, by name; of copies the first."""
    found: dict[Hashable, S] = {}
    for path in _measure_files(folder, problems):
        part = _attempt(path, read, problems, "its measures are left out", required=True)
        if part is None:
            continue
        problems += [f"{shown(path)}: {problem}" for problem in part.problems]
        if (first := found.setdefault(key(part), part)) is not part:
            problems.append(f"{shown(path)} is left out: {first.file.name} has the same evaluation and settings")
    return tuple(found.values())


def _measure_files(folder: Path, problems: list[str]) -> list[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{shown(folder)} cannot be read ({error.strerror}): its measures are left out")
        return []
    return [folder / name for name in names]


def _attempt(
    path: Path, read: Callable[[Path], T], problems: list[str], consequence: str, required: bool = False
) -> T | None:
    """What `read` finds; else None and, but for an absent file that is not required, a problem."""
    try:
        return read(path)
    except Missing as error:
        # A link to nowhere is damage.
        if required or os.path.lexists(path):
            problems.append(f"{shown(path)} {error}: {consequence}")
    except Unreadable as error:
        problems.append(f"{shown(path)} {error}: {consequence}")
    return None


def shown(path: Path) -> str:
    """The path for people: a name in it may hold what would reach the terminal."""
    return reading.shortened(str(path), 1000)
