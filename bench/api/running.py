"""Methods, data and settings -> runs, executed, with their tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from bench.api.arguments import (
    folder_of,
    methods_of,
    refused,
    root_of,
    seeds_of,
    settings_of,
    sweeps_of,
    whole_number,
    word_of,
)
from bench.config.presets import load_preset
from bench.config.resolve import resolve, without
from bench.config.schema import RunConfig
from bench.datasets import DATASETS, dataset_source
from bench.errors import UsageError
from bench.execution.devices import DEVICES, choose_device
from bench.execution.dispatch import MOST_JOBS, Execution, dispatch
from bench.runner import Outcome
from bench.runs.run import Run
from bench.runs.store import check_folder

MOST_RUNS = 20_000  # of one request

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Args:
        settings, sweeps: as `--set` and `--sweep` take them: KEY=VALUE and KEY=VALUE,VALUE.
    """

    methods: Sequence[str]
    seeds: Sequence[int]
    dataset: str
    source: str
    preset: str
    settings: Sequence[str]
    sweeps: Sequence[str]
    execution: Execution


def run(
    methods: str | Sequence[str],
    dataset: str,
    *,
    preset: str = "quick",
    seeds: int | Iterable[int] = 0,
    settings: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    source: str = "auto",
    data_root: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "results",
    device: str = "auto",
    jobs: int = 1,
    force: bool = False,
) -> dict[Path, Outcome]:
    """Trains and evaluates methods and writes the tables, as `bench run` does; what is finished is not done again.

    Args:
        methods: a name, "all", or several names.
        seeds: one or several, such as range(3).
        settings: such as {"prior.steps": 20}: what `--set` changes.
        sweep: such as {"beta": [0.5, 1.0]}: every combination is a configuration.
        data_root: folder of the data files; $BENCH_DATA, else data/, where none is named.
        jobs: runs at once, each a process; a script that asks for several needs `if __name__ == "__main__":`.
        force: train again what is finished.

    Returns:
        {directory of the run, which `bench.load` takes: its outcome}: "done", "skipped" where it was finished before,
        or "failed", with the cause in its status.json.

    Raises:
        UsageError: for an unknown name, key or value, and an `out` that cannot be written; nothing has been written.
        DataMissing: the data are not there, or not what they claim to be.
        KeyboardInterrupt: with the state saved; the same call resumes.
    """
    request = Request(
        methods=methods_of(methods),
        seeds=seeds_of(seeds),
        dataset=word_of("dataset", dataset, f"one of {', '.join(DATASETS)}"),
        source=word_of("source", source, '"auto" or the name of one'),
        preset=word_of("preset", preset, 'a name such as "smoke"'),
        settings=settings_of(settings),
        sweeps=sweeps_of(sweep),
        execution=execution_of(out, data_root, device, jobs, force),
    )
    return execute(request)


def execution_of(out: Any, data_root: Any, device: Any, jobs: Any, force: Any) -> Execution:
    """Raises UsageError for what cannot be meant, and for what this machine does not have."""
    if not isinstance(force, bool):
        raise refused("force", force, "True or False")
    at_once = whole_number("jobs", jobs, f"1 to {MOST_JOBS} runs at once", 1, MOST_JOBS)
    choose_device(word_of("device", device, DEVICES))
    check_folder(folder := folder_of("out", out))
    return Execution(folder, root_of(data_root), device=device, force=force, jobs=at_once)


def execute(request: Request) -> dict[Path, Outcome]:
    """Executes what is asked for, and writes the tables."""
    from bench.api.tables import write_report  # noqa: PLC0415 (imports pandas, and `bench run` may have no table to make)

    outcomes = dispatch(prepare(request, log.warning), request.execution) or {}
    write_report(request.execution.out)
    if "interrupted" in outcomes.values():
        raise KeyboardInterrupt("the state of the runs is saved, and the same call resumes")
    return {run.path: outcome for run, outcome in outcomes.items()}


def prepare(request: Request, warn: Callable[[str], object]) -> list[Run]:
    """Every seed of the first method's first configuration, then of the next; `warn` is told which methods go without a
    setting of others.

    Raises UsageError and DataMissing as `run`.
    """
    configs = resolve_configs(request, warn)
    if (number := len(configs) * len(request.seeds)) > MOST_RUNS:
        raise UsageError(f"{number:,} runs are asked for, and one command takes {MOST_RUNS:,}: split it up")
    runs = [Run(config, seed, request.execution.out) for config in configs for seed in request.seeds]
    for one in runs:
        _ = one.path  # a name that no folder can have is told before anything is done
    return runs


def resolve_configs(request: Request, warn: Callable[[str], object]) -> list[RunConfig]:
    """The configurations of all methods for the data at hand."""
    data, root = dataset_source(request.dataset), request.execution.data_root
    source = data.choose_source(request.source, root)
    # Before the data, which may take minutes to make: a preset that there is not, or not for this source.
    load_preset(request.dataset, request.preset, data.presets, source)
    configs = resolve(
        *(request.methods, request.dataset, source, request.preset, request.settings, request.sweeps),
        modalities=data.modalities(source, root),
        fingerprint=data.fingerprint(source, root),
        presets=data.presets,
    )
    for setting in (*request.settings, *request.sweeps):
        if lacking := without(configs, setting):
            warn(f"{setting} does not apply to {', '.join(lacking)}")
    return configs
