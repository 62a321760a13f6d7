"""Which runs of a folder can be evaluated."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.config.restore import restore
from bench.config.values import read_yaml
from bench.errors import BenchError, DataMissing
from bench.runs.contents import read_provenance
from bench.runs.reading import Unreadable, read_text
from bench.runs.run import Directory, Run, find


def find_runs(paths: Sequence[Path], warn: Callable[[str], None]) -> list[Run]:
    """The runs at and below the paths that can be evaluated, each once; `warn` is told of the others.

    A path is an output directory of `bench run`, or a folder within its runs/. Output directories inside another one,
    such as results/reference, are not entered unless they are named.

    Raises DataMissing for a path that holds no run.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        folders = find(path) if os.path.isdir(path / "runs") else _below(path)
        if not folders:
            raise DataMissing(f"{path} holds no run: name runs, or a folder that `bench run` has filled")
        for folder in folders:
            try:
                found[folder.resolve()] = read_run(folder)
            except BenchError as error:
                warn(f"{folder} is left out: {error}")
    return list(found.values())


def _below(path: Path) -> list[Path]:
    """The run directories at and below a folder that lies in the runs/ of an output directory."""
    here = [path] if path.name.startswith("seed-") else []
    folders = here + sorted(folder for folder in path.rglob("seed-*") if folder.is_dir())
    return [folder for folder in folders if _output_of(folder)]


def _output_of(folder: Path) -> Path | None:
    """OUT of OUT/runs/<dataset>/<method>/<configuration>/seed-<s>."""
    above = folder.absolute().parents
    return above[4] if len(above) > 4 and above[3].name == "runs" else None


def read_run(folder: Path) -> Run:
    """The trained run of a directory. Raises BenchError where it cannot be evaluated, and says why."""
    there, out = Directory(folder), _output_of(folder)
    if not there.trained:
        raise BenchError("its training is not finished, or training.json is damaged")
    if not there.checkpoint_file.is_file():
        raise BenchError("it has no checkpoint (committed results have none)")
    try:
        provenance = read_provenance(there.provenance_file)
        text = read_text(there.config_file)
    except Unreadable as error:
        raise BenchError(f"config.yaml or provenance.json {error}") from error
    config = restore(read_yaml(text, str(there.config_file)), str(there.config_file))
    if out is None or (run := Run(config, provenance.identity.seed, out)).path.resolve() != folder.resolve():
        raise BenchError(
            f"its configuration has the hash {config.hash} and its seed is {provenance.identity.seed}, which belong "
            "elsewhere: it is a copy, or was written by another version of the code"
        )
    return run
