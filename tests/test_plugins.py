"""A package outside the project adds a method, a prior, a dataset and an evaluator, and the commands run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Runs `python -m bench` where the plugin's wheel is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT / "tests" / "plugin"]
    subprocess.run(list(map(str, wheel)), check=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(built)], check=True)
    path = f"{folder / 'site'}{os.pathsep}{ROOT}"
    env = {**os.environ, "PYTHONPATH": path, "BENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}

    def run(*arguments):
        command = [sys.executable, "-W", "error", "-m", "bench", *map(str, arguments)]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)

    return run


def test_all_four_run_together(bench, tmp_path):
    run = ["run", "--methods", "tiny-vae,mmvae", "--dataset", "tiny", "--preset", "smoke", "--out", tmp_path]
    done = bench(*run, "--set", "prior=shifted", "--set", "prior.shift=0.5", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    done = bench("evaluate", tmp_path, "--evaluators", "latent-size", "--prior", "shifted", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    for method in ("tiny-vae", "mmvae"):
        (file,) = tmp_path.glob(f"runs/tiny/{method}/smoke-*/seed-0/measures/latent-size@*.json")
        assert json.loads(file.read_text())["measures"]["latent_size"]["value"] > 0
        (file,) = tmp_path.glob(f"runs/tiny/{method}/smoke-*/seed-0/priors/shifted@*.json")
        assert len(json.loads(file.read_text())["record"]["location"]) == 3
    assert "tiny-vae" in (tmp_path / "leaderboard.md").read_text()


def test_they_are_listed_with_the_project_s_own(bench):
    listed = bench("list")
    assert listed.returncode == 0, listed.stderr
    for name in ("tiny-vae", "shifted", "tiny", "latent-size", "mmvae"):
        assert name in listed.stdout
