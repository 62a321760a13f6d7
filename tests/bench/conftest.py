"""Configurations of seconds, and run directories without runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.config.resolve import RunConfig, resolve
from bench.reporting.leaderboard import leaderboard, read_runs, write_leaderboard

QUICK = (
    "latent_dim=4",
    "trainer.epochs=3",
    "trainer.batch_size=16",
    "evaluation.samples=24",
    "evaluation.batch_size=16",
)
QUICK_PRIOR = ("prior.width=16", "prior.steps=3", "prior.chains=8", "prior.start=0.4", "prior.warmup=0.2")


def tiny_config(method: str = "mmvae", *settings: str) -> RunConfig:
    """18 steps on `make_data()`."""
    prior = QUICK_PRIOR if method.startswith("ebm") else ()
    (config,) = resolve([method], "toy", "bundled", "smoke", [*QUICK, *prior, *settings])
    return config


def read_picture(path: Path) -> Any:
    """uint8 [H, W, 3]."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def write_run(
    out: Path,
    method: str = "mmvae",
    seed: int = 0,
    *,
    joint: float = 0.5,
    cross: float = 0.6,
    dataset: str = "polymnist",
    source: str = "bundled",
    preset: str = "quick",
    config_hash: str = "0123abcd",
    fingerprint: str = "f" * 64,
    n: int = 1000,
    error: dict[str, str] | None = None,
) -> Path:
    """A run directory as the runner leaves it: finished, or failed with `error`."""
    path = out / "runs" / dataset / method / f"{preset}-{config_hash}" / f"seed-{seed}"
    path.mkdir(parents=True)
    config = {"method": method, "dataset": dataset, "source": source, "preset": preset}
    config |= {"model": {"network": "patch"}, "trainer": {"epochs": 2}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    provenance = {
        "seed": seed,
        "config_hash": config_hash,
        "data": {"source": source, "fingerprint": fingerprint},
        "classifier_accuracy": {"mean": 0.98},
        "code": {"version": "0.1", "revision": "a" * 40, "dirty": False, "sha256": "b" * 16},
        "versions": {"torch": "2.9"},
        "hardware": {"name": "a processor"},
    }
    (path / "provenance.json").write_text(json.dumps(provenance))
    state = {"state": "failed", "error": error} if error else {"state": "done"}
    (path / "status.json").write_text(json.dumps(state))
    if not error:
        (path / "metrics.json").write_text(json.dumps(metrics(joint, cross, n)))
        (path / "history.csv").write_text("epoch,elbo,kl\n1,-900.0,3.0\n2,-800.0,4.0\n")
    return path


def metrics(joint: float, cross: float, n: int) -> dict[str, Any]:
    def measure(value: float, protocol: str, **details: Any) -> dict[str, Any]:
        bounds = {"low": value - 0.03, "high": value + 0.03}
        return {"value": value, "protocol": protocol, "n": n, **bounds, "details": details}

    matrix = [[0.9, cross], [cross, 0.9]]
    return {
        "measures": {
            "joint_coherence": measure(joint, "prior", entropy=2.0),
            "joint_coherence_base": measure(joint / 2, "base"),
            "joint_coherence_aggregate": measure(joint, "aggregate-posterior"),
            "cross_coherence": measure(cross, "pairs", matrix=matrix, modalities=["m0", "m1"]),
        },
        "training": {"seconds": 10.0, "samples_per_second": 100.0, "parameters": 1000},
        "wall_seconds": 12.0,
    }


def write_measures(run: Path, evaluator: str, protocol: str = "a protocol", **values: float) -> None:
    """Measures that `bench evaluate --evaluators` added."""
    (run / "measures").mkdir(exist_ok=True)
    (run / "measures" / f"{evaluator}.json").write_text(json.dumps({"measures": plain_measures(protocol, values)}))


def plain_measures(protocol: str, values: dict[str, float]) -> dict[str, Any]:
    return {name: {"value": value, "protocol": protocol, "n": 10} for name, value in values.items()}


def write_prior(run: Path, prior: str, joint: float, n: int = 1000, **further: float) -> None:
    """The measures of a fitted prior, as `bench evaluate --prior` leaves them beside a run."""
    (run / "priors").mkdir(exist_ok=True)
    measures = metrics(joint, 0.0, n)["measures"] | plain_measures("a protocol", further)
    (run / "priors" / f"{prior}.json").write_text(json.dumps({"prior": prior, "measures": measures}))


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """One cache for the commands of all test processes: data and classifiers are made once."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return {**os.environ, "BENCH_CACHE": str(shared / "bench-cache"), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def bench(environment, tmp_path_factory):
    """Runs `python -m bench ARGUMENTS` in an empty folder."""
    folder = tmp_path_factory.mktemp("folder")

    def run(*arguments, **options):
        command = [sys.executable, "-W", "error", "-m", "bench", *map(str, arguments)]
        env = {**environment, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, **options)

    return run


def run_folder(out, method, seed=0):
    (path,) = out.glob(f"runs/polymnist/{method}/smoke-*/seed-{seed}")
    return path


def tables(out):
    """Writes them; gives leaderboard, finished and failed runs."""
    runs, failed = read_runs(out)
    table = leaderboard(runs, failed)
    write_leaderboard(out, table, runs, failed)
    return table, runs, failed
