"""What a job asks the cluster for: `--cluster cluster.yaml`. Every unknown key is an error."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.commands.arguments import parse_duration
from bench.config.resolve import build
from bench.errors import UsageError, unknown
from methods import METHODS
from methods.base import require

MINIMUM_MINUTES = 15
LISTS = ("setup", "extra")  # the keys whose values are not one word or number


@dataclass(frozen=True)
class Resources:
    """What one job asks for. None leaves it to the cluster's own default.

    Args:
        time: such as 4h or 90m. A job that needs longer is requeued at the end of its time, and goes on.
        memory: such as 16G or 800M, for the whole job.
        cpus, gpus: for the whole job.
        array_parallelism: how many jobs of one array SLURM may run at once.
        runs_per_job: how many runs a job carries out, one after another.
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
            memory=(self.memory, self.memory is None or self.gigabytes is not None, "such as 16G or 800M"),
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
        found = re.fullmatch(r"(\d+)([MGT])", self.memory or "")
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
        tree = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--cluster {path}: cannot be read ({str(error).splitlines()[0]})") from None
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
    plain = build(Resources, {key: value for key, value in tree.items() if key not in LISTS}, where)
    setup, extra = tree.get("setup") or [], tree.get("extra") or {}
    if not isinstance(setup, list) or not all(isinstance(line, str) for line in setup):
        raise UsageError(f"{where}: setup: expected a list of shell lines, got {setup!r}")
    if not isinstance(extra, dict) or not all(isinstance(value, str | int) for value in extra.values()):
        raise UsageError(f"{where}: extra: expected options of sbatch and their values, got {extra!r}")
    options = tuple((str(key).removeprefix("--"), value) for key, value in extra.items())
    return dataclasses.replace(plain, setup=tuple(setup), extra=options)
