"""Configurations of seconds, and commands as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.config.folders import presets_folder
from bench.config.resolve import resolve
from bench.config.schema import RunConfig
from tests.toy import image_modalities

QUICK = (
    "latent_dim=4",
    "trainer.epochs=3",
    "trainer.batch_size=16",
    "evaluation.samples=24",
    "evaluation.batch_size=16",
)
QUICK_PRIOR = ("prior.width=16", "prior.steps=3", "prior.chains=8", "prior.start=0.4", "prior.warmup=0.2")


def toy_configs(method: str, *settings: str, **options: Any) -> list[RunConfig]:
    """Configurations on `tests.toy.image_data()`, or on the modalities and the fingerprint that are given."""
    given = {"modalities": image_modalities(), "fingerprint": f"{0:064d}", **options}
    return resolve([method], "toy", "bundled", "smoke", settings, presets=presets_folder("polymnist"), **given)


def tiny_config(method: str = "mmvae", *settings: str, **options: Any) -> RunConfig:
    """18 steps on `tests.toy.image_data()`."""
    prior = QUICK_PRIOR if method.startswith("ebm") else ()
    (config,) = toy_configs(method, *QUICK, *prior, *settings, **options)
    return config


def read_picture(path: Path) -> Any:
    """uint8 [H, W, 3]."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


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
