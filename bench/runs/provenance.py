"""Where a number comes from: code, libraries, machine."""

from __future__ import annotations

import hashlib
import json
import platform
import socket
import subprocess
from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import torch

import bench
from bench.training.acceleration import choose, cores

DISTRIBUTION = "multimodal-prior-bench"
LIBRARIES = ("torch", "numpy", "pandas", "scikit-learn", "scipy", "mlxtend")
PACKAGES = ("bench", "methods", "evaluators")


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
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "acceleration": asdict(choose(device)),
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


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
