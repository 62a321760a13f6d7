from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The cache of the commands' tests: data and classifiers are made once."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return {"BENCH_CACHE": str(shared / "bench-cache"), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
