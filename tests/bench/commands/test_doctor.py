"""`bench doctor`: what it finds, and what it calls broken."""

import os
import shutil
import sys
from collections import namedtuple
from importlib import metadata
from importlib.metadata import EntryPoint

import pytest

from bench.cli import main
from bench.commands import checks
from bench.commands.checks import BROKEN, NOTE, OK, check_all
from bench.datasets.polymnist import POLYMNIST
from bench.errors import DataMissing
from bench.runs.store import cache_root
from methods import METHODS, PRIORS, registry


@pytest.fixture
def required(monkeypatch):
    """Says what the project requires; the installed project may be another revision."""

    def require(*texts):
        monkeypatch.setattr(metadata, "requires", lambda name: list(texts))

    require("torch>=2", "tensorboard>=2; extra == 'tensorboard'", "nothing-at-all; extra == 'dev'")
    return require


def found(tmp_path, what=None):
    states = {}
    for check in check_all(tmp_path / "data", tmp_path / "out"):
        states.setdefault(check.what, []).append(check)
    return states if what is None else states[what]


def test_here_nothing_is_broken(required, tmp_path, capsys):
    assert main(["doctor", "--data-root", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    for what in ("bench", "python", "packages", "device", "threads", "methods", "polymnist", "cache", "results"):
        assert any(line.split()[:2] == ["ok", what] for line in said.splitlines()), what
    assert "`bench data fetch polymnist`" in said
    assert said.endswith("nothing is broken\n")
    assert not cache_root().exists()
    assert not (tmp_path / "out").exists()


def test_packages_that_are_old_or_missing_are_broken(required, tmp_path, capsys):
    required("torch>=99", "no-such-package>=1")
    assert main(["doctor", "--data-root", str(tmp_path), "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "torch>=99 is required, and " in said
    assert "no-such-package>=1 is not installed" in said
    assert "pip install" in said
    assert said.endswith("broken: packages\n")


def test_a_project_that_is_not_installed_is_noted(monkeypatch, tmp_path):
    def nobody(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", nobody)
    (check,) = found(tmp_path, "packages")
    assert check.state == NOTE


def test_a_broken_package_of_a_prior_breaks_every_run_and_that_of_a_method_only_its_own(
    required, monkeypatch, tmp_path
):
    points = [EntryPoint("mine", "no_such_package:Thing", group) for group in ("bench.methods", "bench.priors")]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
    for known in (METHODS, PRIORS):
        monkeypatch.setitem(known.__dict__, "targets", {**known.own, "mine": "no_such_package:Thing"})
    states = found(tmp_path)
    assert [check.state for check in states["methods"]] == [OK, NOTE]
    assert [check.state for check in states["priors"]] == [OK, BROKEN]
    assert "mine cannot be loaded from no_such_package:Thing" in states["priors"][1].said


def test_data_that_cannot_be_looked_for_are_broken(required, monkeypatch, tmp_path):
    def refuse(source, data_root):
        raise DataMissing("the folder cannot be looked into")

    monkeypatch.setattr(type(POLYMNIST), "missing", lambda self, source, data_root: refuse(source, data_root))
    (check,) = found(tmp_path, "polymnist")
    assert (check.state, check.said) == (BROKEN, "the folder cannot be looked into")


def test_where_nothing_can_be_written_runs_are_broken(required, monkeypatch, tmp_path):
    (tmp_path / "out").write_text("a file")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "out" / "cache"))
    states = found(tmp_path)
    assert (states["results"][0].state, states["cache"][0].state) == (BROKEN, BROKEN)
    assert "is no folder that you may write to" in states["results"][0].said
    assert "BENCH_CACHE" in states["cache"][0].mend


def test_a_full_disk_is_broken(required, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    states = found(tmp_path)
    assert "1 MB free" in states["results"][0].said
    assert (states["results"][0].state, states["cache"][0].state) == (BROKEN, BROKEN)


def test_a_cache_that_can_only_be_read_is_noted(required, monkeypatch, tmp_path):
    folder = tmp_path / "cache" / "polymnist" / "bundled-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{}")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "cache" not in str(path) and real(path, mode))
    assert [check.state for check in found(tmp_path, "cache")] == [NOTE]


def test_more_threads_than_cores_and_a_driver_without_cuda_are_noted(required, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "9999")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if name == "nvidia-smi" else None)
    states = found(tmp_path)
    assert states["threads"][0].state == NOTE
    assert states["threads"][0].mend.startswith("export OMP_NUM_THREADS=")
    assert states["device"][0].state == NOTE
    assert (states["SLURM"][0].state, states["SLURM"][0].said) == (NOTE, "there is no sbatch, squeue, scancel here")


def test_what_is_broken_in_an_unexpected_way_is_named_and_the_rest_is_checked(required, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)  # an import raises ImportError
    states = found(tmp_path)
    assert states["device"][0].state == BROKEN
    assert "torch" in states["device"][0].said
    assert states["results"][0].state == OK


def test_an_optional_package_is_noted(required, monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    (check,) = found(tmp_path, "TensorBoard")
    assert check.state == NOTE
    assert "[tensorboard]" in check.mend
