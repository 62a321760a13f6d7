"""Which runs are found to be evaluated, and why others are left out."""

import shutil

import pytest

from bench.errors import DataMissing
from bench.evaluation.finding import find_runs
from tests.bench.evaluation.conftest import times


def test_runs_are_found_at_any_level(run):
    for path in (run.path, run.path.parents[1], run.out):
        (found,) = find_runs([path], pytest.fail)
        assert found.path.resolve() == run.path.resolve()
        assert found.config.hash == run.config.hash
        assert found.seed == 1
    assert len(find_runs([run.path, run.out], pytest.fail)) == 1


def test_output_folders_inside_another_are_left_alone_unless_named(run, tmp_path):
    inner = tmp_path / "out" / "reference" / "old"
    shutil.copytree(tmp_path / "out" / "runs", inner / "runs")
    assert [found.out.name for found in find_runs([run.out], pytest.fail)] == ["out"]
    assert [found.out.name for found in find_runs([inner], pytest.fail)] == ["old"]


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(DataMissing, match="holds no run"):
        find_runs([tmp_path], pytest.fail)


def left_out(run):
    """Why a run is not evaluated."""
    said = []
    assert find_runs([run.out], said.append) == []
    (reason,) = said
    return reason


def test_a_run_without_a_checkpoint_is_named_and_nothing_written(run):
    run.checkpoint_file.unlink()
    before = times(run)
    assert "no checkpoint" in left_out(run)
    assert times(run) == before


def test_a_copied_run_is_named(run):
    run.path.parent.rename(run.path.parent.with_name("smoke-00000000"))
    assert "it is a copy, or was written by another version of the code" in left_out(run)


@pytest.mark.parametrize("damage", [b"", b"- 1", b"method: [", b"\xff\xfe"])
def test_a_damaged_configuration_is_named(run, damage):
    run.config_file.write_bytes(damage)
    assert "config.yaml" in left_out(run)


@pytest.mark.parametrize("place", ["runs/seed-0", "seed-0", "runs/a/seed-0"])
def test_a_folder_that_no_run_has_is_no_run(tmp_path, place):
    (tmp_path / place).mkdir(parents=True)
    with pytest.raises(DataMissing, match="holds no run"):
        find_runs([tmp_path / place], pytest.fail)
