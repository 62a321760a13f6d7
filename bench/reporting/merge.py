"""Runs of several folders in one: each is checked, each is there once, and what contradicts each other is refused.

The sources are read and never written. Links are not followed: what is copied are the files of the runs themselves.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from bench.config.schema import digest
from bench.errors import BenchError, DataMissing, UsageError
from bench.reporting.checks import history_numbers, problems_of
from bench.runs.contents import Identity
from bench.runs.history import read_history
from bench.runs.measured import StoredMeasure
from bench.runs.reading import Unreadable
from bench.runs.records import Record, at_home, read_record, run_folders, shown
from bench.runs.run import Directory
from bench.runs.store import new_directory, write_atomic

ENDED = ("done", "failed")  # of status.json: anything else is about a process that is not where the copy will be


@dataclass(frozen=True)
class Candidate:
    """A run that is in order, as far as merging needs it.

    Args:
        place: where it belongs below an output directory.
        files: what is copied, relative to its directory.
        numbers: {what: (digest, the number for people)}, the same for everybody who has this run.
    """

    path: Path
    identity: Identity
    home: bool
    place: Path
    files: tuple[str, ...]
    numbers: dict[str, tuple[str, str]]


@dataclass
class Survey:
    """What was found: `runs` has the candidates of each run, the one to be copied first."""

    runs: list[list[Candidate]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def survey(folders: Sequence[Path], out: Path | None = None) -> Survey:
    """Reads and checks every run of the folders, and of `out` where it has some already.

    Raises:
        DataMissing: one of the folders has no runs.
        UsageError: `out` is one of the folders, or lies among its runs.
    """
    found = Survey()
    _check_places(folders, out)
    groups: dict[Identity, list[Candidate]] = {}
    # The runs of `out` come first, and stay where they are.
    for folder in [*([out] if out and os.path.isdir(out / "runs") else []), *_distinct(folders)]:
        paths = run_folders(folder, found.problems.append) if os.path.isdir(folder / "runs") else []
        if not paths and folder != out:
            raise DataMissing(f"{folder} holds no runs: name a folder that `bench run --out` has filled")
        for path in paths:
            if candidate := _candidate(path, found):
                groups.setdefault(candidate.identity, []).append(candidate)
    for group in groups.values():
        group.sort(key=lambda candidate: not candidate.home)  # stable: else the first folder's, by path
        if out and group[0].path != (target := out / group[0].place) and os.path.lexists(target):
            found.problems.append(
                f"{shown(target)} is in the way: it is not finished, or something else. Move it first"
            )
            continue
        if problems := list(_contradictions(group)):
            found.problems += problems
            continue
        found.runs.append(group)
        found.notes += [f"{shown(twin.path)} is the same run as {shown(group[0].path)}" for twin in group[1:]]
    return found


def _distinct(folders: Sequence[Path]) -> list[Path]:
    return list({folder.resolve(): folder for folder in folders}.values())


def _check_places(folders: Sequence[Path], out: Path | None) -> None:
    for folder in folders if out else ():
        assert out is not None
        if out.resolve() == folder.resolve() or out.resolve().is_relative_to((folder / "runs").resolve()):
            raise UsageError(f"--out {out}: is {folder} itself, or among its runs; name a folder of its own")


def _candidate(path: Path, found: Survey) -> Candidate | None:
    """None where the run is left out: with a note if it is not finished, with problems if something is wrong."""
    record = read_record(path)
    problems = [*record.problems, *(f"{shown(path)}: {problem}" for problem in problems_of(record))]
    if record.training is None and not problems:
        found.notes.append(f"{shown(path)} is not finished ({record.state['state']}), and is left out")
        return None
    if not record.measures and not problems:
        problems.append(f"{shown(path)}: has no measures")
    files, links = _files(record)
    problems += [f"{shown(path / name)} is a link: merging copies files, and not what links name" for name in links]
    if problems or record.identity is None:
        found.problems += problems
        return None
    if os.path.islink(path / "checkpoint.pt"):
        found.notes.append(f"{shown(path / 'checkpoint.pt')} is a link, and is left out")
    return Candidate(path, record.identity, at_home(record), _place(record), files, _numbers(record))


def _place(record: Record) -> Path:
    assert record.identity is not None
    dataset, method, _, config_hash, seed = record.identity
    return Path("runs", dataset, method, f"{record.config['preset']}-{config_hash}", f"seed-{seed}")


def _files(record: Record) -> tuple[tuple[str, ...], list[str]]:
    """The names of the files to be copied, and those of links among what must not be one."""
    run = Directory(record.path)
    needed = [run.config_file, run.provenance_file, run.training_file, run.history_file]
    needed += [run.status_file] if record.state["state"] in ENDED else []
    needed += [part.file for part in record.parts]
    folders = [path for path in (record.path, run.measures_folder, run.priors_folder) if os.path.islink(path)]
    links = folders + [path for path in needed if os.path.islink(path)]
    extra = [run.checkpoint_file, *sorted(record.path.glob("samples_*.png"))]
    needed += [path for path in extra if path.is_file() and not path.is_symlink()]
    names = [str(path.relative_to(record.path)) for path in needed]
    return tuple(names), [str(path.relative_to(record.path)) for path in links]


def _numbers(record: Record) -> dict[str, tuple[str, str]]:
    numbers: dict[str, tuple[str, str]] = {}
    if record.training and record.history:
        with suppress(Unreadable):  # then the run is not in order
            numbers["history.csv"] = (history_numbers(read_history(record.history)), "")
        numbers["the number of parameters"] = (text := str(record.training.parameters), text)
    for part in record.parts:
        where = f"{part.file.parent.name}/{part.file.name}"
        digests = {name: _digest(measure) for name, measure in part.measures.items()}
        for name, measure in part.measures.items():
            numbers[f"{name} in {where}"] = (digests[name], f"{measure.value!r}")
        numbers[where] = (digest({**digests, "absent": dict(part.absent)}), "")
    return numbers


def _digest(measure: StoredMeasure) -> str:
    fields = {key: repr(getattr(measure, key)) for key in ("value", "protocol", "n", "low", "high", "details")}
    return digest(fields)


def _contradictions(group: Sequence[Candidate]) -> Iterator[str]:
    first = group[0]
    for other in group[1:]:
        for key, (ours, shown_ours) in first.numbers.items():
            theirs, shown_theirs = other.numbers.get(key, (ours, ""))
            if theirs != ours:
                values = f": {shown_ours} and {shown_theirs}" if shown_ours != shown_theirs else ""
                yield (
                    f"{shown(first.path)} and {shown(other.path)} are the same run (data, configuration and seed are "
                    f"equal), and contradict each other in {key}{values}"
                )
                break


def merge(runs: Sequence[Sequence[Candidate]], out: Path) -> int:
    """Copies each run to its place below `out`, with the measures that any of its candidates has.

    Returns how many runs were copied or got more measures. Raises BenchError where a file cannot be written.
    """
    written = 0
    for group in runs:
        target = out / group[0].place
        try:
            _check_inside(out, target)
            written += _write(group, target)
        except OSError as error:
            raise BenchError(f"{shown(target)} cannot be written: {error}. What was copied before is whole") from error
    return written


def _write(group: Sequence[Candidate], target: Path) -> bool:
    """Whether anything was missing."""
    sources = {name: other.path for other in reversed(group) for name in other.files if "/" in name}
    sources |= dict.fromkeys(group[0].files, group[0].path)
    if group[0].path == target:
        missing = [name for name in sources if not os.path.lexists(target / name)]
        for name in missing:
            with _opened(sources[name] / name) as file:
                write_atomic(target / name, partial(shutil.copyfileobj, file))
        return bool(missing)
    with new_directory(target) as folder:
        for name, source in sources.items():
            (folder / name).parent.mkdir(exist_ok=True)
            with _opened(source / name) as file, (folder / name).open("wb") as copy:
                shutil.copyfileobj(file, copy)
    return True


def _check_inside(out: Path, target: Path) -> None:
    """Raises OSError where a link on the way to the target would lead out of `out`."""
    for folder in target.relative_to(out).parents:
        if folder.parts and os.path.islink(out / folder):
            raise OSError(errno.ELOOP, "a link, which would be followed", str(out / folder))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A regular file for reading. Raises OSError where it is, by now, a link or anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file
