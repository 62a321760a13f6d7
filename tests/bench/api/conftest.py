"""A finished run of seconds on a folder of arrays, with a fitted prior, which the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import bench
from bench.cli import main
from tests.arrays import write_folder

SETTINGS = {"latent_dim": 3, "trainer.batch_size": 16}
FITTED = "--set priors.mixture.components=3"


@dataclass(frozen=True)
class Finished:
    data: Path
    out: Path
    run: Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        data, out = write_folder(folder / "data", rows=80), folder / "out"
        done = bench.run("mmvae", "arrays", preset="smoke", settings=SETTINGS, data_root=data, out=out, device="cpu")
        ((run, outcome),) = done.items()
        assert outcome == "done"
        basics = ["evaluate", str(out), "--prior", "mixture", "--data-root", str(data), "--device", "cpu"]
        assert main([*basics, *FITTED.split()]) == 0
        yield Finished(data, out, run)


@pytest.fixture(autouse=True)
def _shared_cache(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(finished.data.parent / "cache"))
