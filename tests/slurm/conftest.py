"""A cluster to submit to: `.ci/slurm start` makes one of this machine. Elsewhere these tests are skipped.

With BENCH_REQUIRE_SLURM=1 a missing cluster is a failure.
"""

import os
import shutil
import subprocess

import pytest

from tests.bench.conftest import bench, environment  # noqa: F401 (the fixtures)


@pytest.fixture(scope="session", autouse=True)
def _cluster():
    if shutil.which("sbatch") and subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0:
        return
    reason = "there is no SLURM that answers; `.ci/slurm start` starts one"
    if os.environ.get("BENCH_REQUIRE_SLURM") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster_file(tmp_path_factory):
    """One core for a job, so that two are at work at once on a small machine."""
    path = tmp_path_factory.mktemp("cluster") / "cluster.yaml"
    path.write_text("time: 20m\ncpus: 1\n")
    return path
