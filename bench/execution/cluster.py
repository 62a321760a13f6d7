"""What a job asks the cluster for: `--cluster cluster.yaml`. Every unknown key is an error."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.values import build, read_yaml
from bench.errors import UsageError, unknown
from bench.execution.durations import parse_duration
from bench.runs.store import read_regular
from methods import METHODS
from methods.base import require

MINIMUM_MINUTES = 15
WORD = r"[A-Za-z0-9_][^\s\x00-\x1f]*"  # of what sbatch takes as a name, and not as an option
LISTS = ("setup", "extra")  # the keys whose values are not one word or number
# sbatch's options that bench sets itself -> what to do instead. sbatch takes any beginning of a name for the name.
MANAGED = {
    "account": "the key `account` is for it",
    "array": "`array_parallelism` says how many jobs of an array run at once",
    "chdir": "jobs start where the command was given",
    "clusters": "submit from a machine of that cluster",
    "constraint": "the key `constraint` is for it",
    "cpus-per-task": "the key `cpus` is for it",
    "error": "`bench logs` shows what a job prints",
    "export": "`setup` has shell lines that can set the environment",
    "gid": "jobs are your own",
    "gpus": "the key `gpus` is for it",
    "gpus-per-node": "the key `gpus` is for it",
    "hold": "a job that is held never starts by itself",
    "input": "a job reads its work order",
    "job-name": "`bench cancel` knows its jobs by their names",
    "mem": "the key `memory` is for it",
    "no-requeue": "a preempted job is requeued, so that its runs are resumed",
    "nodes": "a job is one process, on one node",
    "ntasks": "a job is one process; `runs_per_job` says how many runs it executes",
    "ntasks-per-node": "a job is one process; `runs_per_job` says how many runs it executes",
    "open-mode": "a requeued job adds to its log",
    "output": "`bench logs` shows what a job prints",
    "parsable": "bench reads what sbatch prints",
    "partition": "the key `partition` is for it",
    "qos": "the key `qos` is for it",
    "quiet": "bench reads what sbatch prints",
    "requeue": "a preempted job is requeued, so that its runs are resumed",
    "signal": "the runs save their state at the signal that bench asks for",
    "test-only": "`bench run --dry-run` shows what would be submitted",
    "time": "the key `time` is for it",
    "uid": "jobs are your own",
    "wait": "`bench run --wait` waits",
    "wrap": "`setup` has shell lines that are executed before Python starts",
}


@dataclass(frozen=True)
class Resources:
    """What one job asks for. None leaves it to the cluster's own default.

    Args:
        time: such as 4h or 90m. A job that needs longer is requeued at the end of its time, and resumes its runs.
        memory: such as 16G or 800M, for the whole job.
        cpus, gpus: for the whole job.
        array_parallelism: how many jobs of one array SLURM may run at once.
        runs_per_job: how many runs a job executes, one after another.
        setup: shell lines that are executed on the node before Python starts.
        python: the shell command that starts Python there; None is the interpreter that submits.
        extra: further options of sbatch, without the dashes in front: {"gres": "gpu:a100:1"}.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: str = "4h"
    memory: str | None = None
    cpus: int = 4
    gpus: int = 0
    array_parallelism: int = 256
    runs_per_job: int = 1
    setup: tuple[str, ...] = ()
    python: str | None = None
    extra: tuple[tuple[str, str | int | bool], ...] = ()

    def __post_init__(self) -> None:
        require(
            cpus=(self.cpus, self.cpus >= 1, "≥ 1"),
            gpus=(self.gpus, self.gpus >= 0, "≥ 0"),
            array_parallelism=(self.array_parallelism, self.array_parallelism >= 1, "≥ 1"),
            runs_per_job=(self.runs_per_job, self.runs_per_job >= 1, "≥ 1"),
            memory=(self.memory, self.memory is None or bool(self.gigabytes), "such as 16G or 800M"),
            python=(self.python, self.python is None or bool(self.python.strip()), "a command, or left out"),
            **{
                key: (value, value is None or re.fullmatch(WORD, value) is not None, "a name without spaces")
                for key in ("partition", "account", "qos", "constraint")
                for value in [getattr(self, key)]
            },
        )
        if self.minutes < MINIMUM_MINUTES:
            raise ValueError(
                f"time={self.time}: must be at least {MINIMUM_MINUTES}m. The last minutes of a job are for saving its "
                "state, and in a shorter one a preemption cannot be told from the end of its time"
            )

    @property
    def minutes(self) -> int:
        return math.ceil(parse_duration("cluster file: time", self.time) / 60)

    @property
    def gigabytes(self) -> float | None:
        """The memory, if any is asked for."""
        found = re.fullmatch(r"([0-9]{1,9})([MGT])", self.memory or "")
        return int(found[1]) * {"M": 1 / 1024, "G": 1, "T": 1024}[found[2]] if found else None


@dataclass(frozen=True)
class Cluster:
    """The resources of every method: the file's own, or those that it has `methods` override."""

    default: Resources = Resources()
    methods: Mapping[str, Resources] = dataclasses.field(default_factory=dict)

    def of(self, method: str) -> Resources:
        return self.methods.get(method, self.default)


def read_cluster(path: Path | None) -> Cluster:
    """The content of the file; without one, the defaults.

    Raises UsageError for a file that cannot be read, an unknown key or method, and a value that is not possible.
    """
    if path is None:
        return Cluster()
    try:
        text = read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--cluster {path}: cannot be read ({error})") from None
    tree = read_yaml(text, f"--cluster {path}") or {}
    if not isinstance(tree, dict) or not isinstance(overrides := tree.pop("methods", None) or {}, dict):
        raise UsageError(f"--cluster {path}: expected keys and values, such as `partition: gpu`, got {tree!r}")
    default = _resources(tree, str(path))
    for name, override in overrides.items():
        if name not in METHODS:
            raise UsageError(f"{path}: methods: {unknown('method', str(name), METHODS)}")
        if not isinstance(override, dict):
            raise UsageError(f"{path}: methods: {name}: expected keys and values, got {override!r}")
    methods = {name: _resources({**tree, **own}, f"{path}: methods: {name}") for name, own in overrides.items()}
    return Cluster(default, methods)


def _resources(tree: Mapping[str, Any], where: str) -> Resources:
    # `methods` is a key of the file, but is not among those of a method.
    known = [field.name for field in dataclasses.fields(Resources)]
    for key in tree:
        if key not in known:
            raise UsageError(f"{where}: {unknown('key', str(key), [*known, 'methods'])}")
    for key, text in _texts(tree):
        if not text.isprintable():
            raise UsageError(f"{where}: {key}: {text!r} has a line end or a control character; write one line a value")
    plain = build(Resources, {key: value for key, value in tree.items() if key not in LISTS}, where)
    setup, extra = tree.get("setup") or [], tree.get("extra") or {}
    if not isinstance(setup, list) or not all(isinstance(line, str) for line in setup):
        raise UsageError(f"{where}: setup: expected a list of shell lines, got {setup!r}")
    if not isinstance(extra, dict) or not all(isinstance(value, str | int) for value in extra.values()):
        raise UsageError(f"{where}: extra: expected options of sbatch and their values, got {extra!r}")
    options = tuple((_option(str(key), where), value) for key, value in extra.items())
    return dataclasses.replace(plain, setup=tuple(setup), extra=options)


def _option(key: str, where: str) -> str:
    """The name of an option of sbatch. Raises UsageError for one that bench sets itself, and for what is no name."""
    name = key.removeprefix("--").replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise UsageError(f"{where}: extra: {key!r} is no long option of sbatch, such as `gres` or `mail-type`")
    for managed, advice in MANAGED.items():
        if managed.startswith(name):
            raise UsageError(f"{where}: extra: {key}: bench sets {managed} itself: {advice}")
    return name


def _texts(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """All texts in the tree, with the key that each is under."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}: {name}", text) for name, text in _texts(value))
        elif isinstance(value, list):
            yield from ((key, item) for item in value if isinstance(item, str))
        elif isinstance(value, str):
            yield key, value
