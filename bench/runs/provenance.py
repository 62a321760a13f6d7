"""Where a number comes from: code, libraries, machine."""

from __future__ import annotations

import hashlib
import json
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import torch
import yaml

import bench
from bench.config.yaml12 import read_yaml
from bench.errors import BenchError, UsageError
from bench.runs.contents import read_config, read_provenance
from bench.runs.machine import cores, processor
from bench.runs.reading import Unreadable
from bench.runs.run import Run
from bench.runs.store import read_json, write_text

DISTRIBUTION = "multimodal-prior-bench"
LIBRARIES = ("torch", "numpy", "pandas", "scikit-learn", "scipy", "mlxtend")
PACKAGES = ("bench", "methods", "evaluators")


def origin(device: torch.device) -> dict[str, Any]:
    """What every file of results says: code, versions and hardware."""
    return {"code": code(), **environment(device)}


def describe(
    run: Run,
    device: torch.device,
    *,
    data: Mapping[str, Any],
    classifier_accuracy: Mapping[str, Any],
    published_classifiers: Mapping[str, Any] | None = None,
    acceleration: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of the run's provenance.json.

    `published_classifiers` are those of the published protocol, their origin and accuracy; None where there are none.

    Code, versions, hardware and time of start are those of the session that did the training's first step; `sessions`
    lists every process that worked on the run, so that one that another revision resumed says so.
    """
    before = _before(run)
    first_step = before if run.has_checkpoint else {}
    here = origin(device)
    here["hardware"]["acceleration"] = dict(acceleration)
    session = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": here["hardware"]["host"],
        "device": here["hardware"]["name"],
        "torch": here["versions"]["torch"],
        "code": here["code"],
    }
    # Where the program lies is private to this machine.
    first = {**here, "argv": [Path(sys.argv[0]).name, *sys.argv[1:]], "started": session["started"]}
    return {
        "method": run.config.method,
        "config_hash": run.config.hash,
        "seed": run.seed,
        "data": dict(data),
        "classifier_accuracy": dict(classifier_accuracy),
        "published_classifiers": published_classifiers,
        **{key: first_step.get(key, value) for key, value in first.items()},
        "sessions": [*before["sessions"], session],
    }


def _before(run: Run) -> dict[str, Any]:
    """What an earlier session wrote; one that cannot be read is started again."""
    try:
        before = read_json(run.provenance_file)
        return before if isinstance(before["sessions"], list) else {"sessions": []}
    except (OSError, ValueError, KeyError, TypeError):
        return {"sessions": []}


def write_config(run: Run) -> None:
    """config.yaml: every setting that decides the run's parameters, resolved."""
    tree = {key: value for key, value in run.config.as_dict().items() if key != "evaluation"}
    write_text(run.config_file, yaml.dump(tree, Dumper=_Quoting, sort_keys=False))


class _Quoting(yaml.SafeDumper):
    """Quotes words that our reader would take for a number, such as a preset's name 1e5."""


def _represent_word(dumper: yaml.SafeDumper, word: str) -> yaml.Node:
    try:
        quoted = read_yaml(word, "a word") != word
    except UsageError:
        quoted = True
    return dumper.represent_scalar("tag:yaml.org,2002:str", word, style="'" if quoted else None)


_Quoting.add_representer(str, _represent_word)


def check_same_run(run: Run) -> None:
    """Raises BenchError if the directory holds another run, by what its files say: it was copied or renamed."""
    try:
        there = read_provenance(run.provenance_file).identity
    except Unreadable:
        return
    if (there.hash, there.fingerprint, there.seed) != (run.config.hash, run.config.fingerprint, run.seed):
        raise BenchError(
            f"{run.path} holds {there.method} {there.hash} seed {there.seed}, which was copied or moved there: a copy "
            "is not another seed. Remove it, or train the run that belongs there with --force"
        )


def repair(run: Run) -> None:
    """Writes the configuration of a trained run again if it is damaged.

    Raises BenchError where provenance.json is: nobody but it knows where the numbers come from.
    """
    try:
        read_config(run.config_file)
    except Unreadable:
        write_config(run)
    try:
        read_provenance(run.provenance_file)
    except Unreadable as error:
        raise BenchError(
            f"{run.provenance_file} {error}, and where the run's numbers come from is in no other file. Put it back "
            "from a copy, or train the run again (--force)"
        ) from error


def threads_of(run: Run) -> int:
    """With how many threads the run is computed, on which the last digits of sums depend: those that it began with."""
    try:
        threads = read_json(run.provenance_file)["hardware"]["threads"]
    except (OSError, ValueError, KeyError, TypeError):
        return torch.get_num_threads()
    return threads if isinstance(threads, int) and threads > 0 else torch.get_num_threads()


def check_same_data(run: Run, fingerprint: str, source: str, dataset: str) -> None:
    """Raises BenchError if the run belongs to data with another fingerprint."""
    if run.config.fingerprint != fingerprint:
        raise BenchError(
            f"{run.path} belongs to data with fingerprint {run.config.fingerprint[:16]}, but the {source} {dataset} "
            f"here has {fingerprint[:16]}: name the data root that the run was made with (--data-root)"
        )


def code() -> dict[str, Any]:
    """Version, git revision (with whether the tree differs from it) and SHA-256 of the packages' sources."""
    folder = Path(bench.__file__).parent
    revision, dirty = None, None
    # The package may be installed inside somebody else's repository: only a checkout that tracks it counts.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is not None:
        revision = _git(folder, "rev-parse", "HEAD")
        dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no", ":/"))
    elif origin := _direct_url():
        revision = origin.get("vcs_info", {}).get("commit_id")
    return {"version": bench.__version__, "revision": revision, "dirty": dirty, "sha256": source_hash()}


def source_hash() -> str:
    """SHA-256 over names and contents of every source file and preset, first 16 hex digits."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        root = Path(str(resources.files(package)))
        for file in sorted(p for p in root.rglob("*") if p.suffix in {".py", ".yaml"}):
            digest.update(f"{package}/{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def environment(device: torch.device) -> dict[str, Any]:
    """Versions and hardware behind a run."""
    versions = {"python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in LIBRARIES}
    versions["torch"] = str(torch.__version__)  # names the build as well, which a wheel's metadata may leave out
    hardware: dict[str, Any] = {
        "device": str(device),
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "host": socket.gethostname(),
        "system": platform.platform(),
    }
    if device.type == "cuda":
        hardware["cuda"] = torch.version.cuda
    return {"versions": versions, "hardware": hardware}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _direct_url() -> dict[str, Any] | None:
    """What pip wrote about the origin of the installed distribution, if it did."""
    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    return json.loads(text) if text else None
