"""What `bench doctor` looks at. Each check says what it found; none changes anything, and none raises."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import bench
from bench.commands.cache import size
from bench.datasets import DATASETS, dataset_source
from bench.errors import BenchError
from evaluators import EVALUATORS
from methods import METHODS, PRIORS

OK: Literal["ok"] = "ok"
NOTE: Literal["note"] = "note"
BROKEN: Literal["BROKEN"] = "BROKEN"
DISTRIBUTION = "multimodal-prior-bench"
INSTALL = "pip install -c constraints.txt -e . (in the folder of the project)"
DATA_BYTES, RUN_BYTES = 500_000_000, 100_000_000  # that a default run writes: built data once, and results
SLURM = ("sbatch", "squeue", "scancel")


@dataclass(frozen=True)
class Check:
    """What was found of one thing, and what mends it."""

    state: Literal["ok", "note", "BROKEN"]
    what: str
    said: str
    mend: str = ""


def check_all(data_root: Path, out: Path) -> Iterator[Check]:
    """All checks, in the order in which a person may want to mend things."""
    checks: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("python", versions),
        ("device", device),
        ("names", registered),
        ("data", lambda: data(data_root)),
        ("cache", cache),
        ("results", lambda: results(out)),
        ("SLURM", slurm),
        ("TensorBoard", extras),
    ]
    for what, check in checks:
        try:
            yield from check()
        except Exception as error:  # what is broken here may break in any way, and the others are checked
            yield Check(BROKEN, what, f"{type(error).__name__}: {error}")


def versions() -> Iterator[Check]:
    """Of this project, Python, and what the project requires."""
    from packaging.requirements import Requirement

    yield Check(OK, "bench", f"{bench.__version__} in {Path(bench.__file__).parent}")
    yield Check(OK, "python", f"{platform.python_version()} in {sys.prefix}, {platform.platform()}")
    try:
        required = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or []]
    except metadata.PackageNotFoundError:
        yield Check(NOTE, "packages", "the project is not installed: what it requires is not checked", INSTALL)
        return
    fine, wrong = [], []
    for requirement in required:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement} is not installed")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            fine.append(f"{requirement.name} {version}")
        else:
            wrong.append(f"{requirement} is required, and {version} installed")
    yield Check(OK, "packages", ", ".join(fine))
    if wrong:
        yield Check(BROKEN, "packages", "; ".join(wrong), INSTALL)


def device() -> Iterator[Check]:
    """What runs are computed on, and with how many threads."""
    import torch

    from bench.execution.devices import choose_device
    from bench.execution.dispatch import MOST_AT_ONCE
    from bench.runs.machine import cores, processor

    chosen = choose_device("auto")
    if chosen.type == "cuda":
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        yield Check(OK, "device", f"{len(names)} GPU: {', '.join(names)} (CUDA {torch.version.cuda})")
    elif shutil.which("nvidia-smi"):
        advice = "pip install torch as https://pytorch.org/get-started says for this machine's CUDA"
        yield Check(NOTE, "device", f"{processor()}; there is a GPU driver, and torch does not use it", advice)
    else:
        yield Check(OK, "device", f"{processor()}, no GPU")
    asked = os.environ.get("OMP_NUM_THREADS")
    at_once = min(cores(), MOST_AT_ONCE) if chosen.type == "cpu" else 1
    said = f"{cores()} cores, torch uses {torch.get_num_threads()}; without --jobs {at_once} at once of several runs"
    crowded = asked is not None and asked.isdecimal() and int(asked) > cores()
    yield Check(
        NOTE if crowded else OK,
        "threads",
        f"{said}; OMP_NUM_THREADS={asked}" if asked else said,
        f"export OMP_NUM_THREADS={cores()}: more threads than cores slow each other down" if crowded else "",
    )


def registered() -> Iterator[Check]:
    """Whether what is registered can be imported. Every run needs all priors and evaluators, and its own method."""
    for registry in (METHODS, PRIORS, EVALUATORS, DATASETS):
        broken = {}
        for name in registry:
            try:
                registry.load(name)
            except Exception as error:  # an installed package's code may raise anything
                broken[name] = f"{type(error).__name__}: {error}"
        needed = registry in (PRIORS, EVALUATORS) or any(name in registry.own for name in broken)
        yield Check(OK, f"{registry.what}s", ", ".join(name for name in registry if name not in broken))
        for name, why in broken.items():
            said = f"{name} cannot be loaded from {registry[name]}: {why}"
            mend = INSTALL if name in registry.own else "repair or uninstall its package"
            yield Check(BROKEN if needed else NOTE, f"{registry.what}s", said, mend)


def data(data_root: Path) -> Iterator[Check]:
    """Which sources of which dataset are here. A default run needs one of the first dataset's."""
    from bench.config.folders import preset_names
    from bench.config.presets import load_preset

    for number, name in enumerate(DATASETS):
        bad = NOTE if number else BROKEN
        try:
            known = dataset_source(name)
            lacking = {source: known.missing(source, data_root) for source in known.sources}
            for preset in preset_names(known.presets):
                load_preset(name, preset, known.presets)
        except BenchError as error:
            yield Check(bad, name, str(error))
            continue
        if found := [source for source in known.sources if lacking[source] is None]:
            yield Check(OK, name, f"{', '.join(found)} (--source auto takes {found[0]}); data root {data_root}")
        for source, why in lacking.items():
            if why is not None:
                yield Check(NOTE if found else bad, name, f"{source} data are not here", why)


def cache() -> Iterator[Check]:
    """Where built data and classifiers are kept, and whether there is room for them."""
    from bench.runs.cache_entries import entries
    from bench.runs.store import cache_root

    root = cache_root()
    found = entries(root.resolve())
    need = RUN_BYTES if any(entry.what.startswith("data") for entry in found) else DATA_BYTES
    said = f"{root}: {len(found)} entries, {size(sum(entry.size for entry in found))}"
    room = _room("cache", root, said, need, "set BENCH_CACHE to a folder with room, or bench cache clear")
    # What is in a cache can be used where it cannot be written, and it may be all that is needed.
    yield replace(room, state=NOTE) if room.state == BROKEN and found else room


def results(out: Path) -> Iterator[Check]:
    """Whether results can be written."""
    yield _room("results", out, str(out), RUN_BYTES, "choose another folder with --out, or make room")


def _room(what: str, folder: Path, said: str, need: int, mend: str) -> Check:
    """Whether files can be made in a folder, or where it would be made, and how many bytes are free there."""
    there = folder.absolute()
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return Check(BROKEN, what, f"{said}; {there} is no folder that you may write to", mend)
    free = shutil.disk_usage(there).free
    if free < need:
        return Check(BROKEN, what, f"{said}; {size(free)} free, and a run may need {size(need)}", mend)
    return Check(OK, what, f"{said}; {size(free)} free")


def slurm() -> Iterator[Check]:
    """SLURM's commands, which only --executor slurm needs."""
    missing = [name for name in SLURM if not shutil.which(name)]
    if not missing:
        yield Check(OK, "SLURM", f"{shutil.which('sbatch')}")
    else:
        advice = "log in to a host of the cluster, for --executor slurm alone"
        yield Check(NOTE, "SLURM", f"there is no {', '.join(missing)} here", advice)


def extras() -> Iterator[Check]:
    """What only some commands need."""
    if find_spec("tensorboard"):
        yield Check(OK, "TensorBoard", metadata.version("tensorboard"))
    else:
        mend = 'pip install -c constraints.txt -e ".[tensorboard]", for bench tensorboard alone'
        yield Check(NOTE, "TensorBoard", "is not installed", mend)
