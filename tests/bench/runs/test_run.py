"""Where a run's files lie, which of them make it trained and finished, and how its directory is emptied."""

import os
from types import SimpleNamespace

import pytest

from bench.errors import BenchError, UsageError
from bench.runs.names import component
from bench.runs.run import Directory, Run, find, is_relative_path, parts
from bench.runs.store import write_json
from evaluators import default_evaluators
from tests.bench.conftest import tiny_config
from tests.bench.rundirs import complete
from tests.bench.runs.hostile import PLACED, put


@pytest.fixture
def run(tmp_path):
    return Run(tiny_config(), 3, tmp_path / "out")


def finish(run):
    complete(run.path, *(run.measure_file(name).name for name in default_evaluators()))


def test_the_directory_says_which_run_it_is(run):
    config = run.config
    assert run.relative_path == f"runs/toy/mmvae/smoke-{config.hash}/seed-3"
    assert parts(run.path)._asdict() == {
        **{"dataset": "toy", "method": "mmvae", "preset": "smoke", "config": config.hash, "seed": 3}
    }
    assert run.measure_file("joint").name == f"joint@{config.evaluation.key('evaluators', 'joint')}.json"
    assert run.prior_file("mixture").parent == run.path / "priors"


def test_a_run_is_trained_by_its_training_file_and_finished_by_the_measures_that_are_asked_for(run, tmp_path):
    assert not run.trained
    complete(run.path)
    assert run.trained
    assert run.finished()
    assert not run.finished(run.config.evaluation)
    finish(run)
    assert run.finished(run.config.evaluation)
    other = tiny_config("mmvae", "evaluation.samples=23").evaluation
    assert not run.finished(other)
    assert Run(tiny_config("mmvae", "evaluation.samples=23"), 3, run.out).path == run.path


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "3"])
def test_files_that_hold_nothing_do_not_count(run, content):
    finish(run)
    run.measure_file("joint").write_text(content)
    assert not run.finished(run.config.evaluation)
    run.training_file.write_text(content)
    assert not run.trained


@pytest.mark.parametrize("what", PLACED)
def test_what_is_no_file_does_not_count_and_blocks_nobody(run, what):
    finish(run)
    put(run.measure_file("joint"), what)
    assert not run.finished(run.config.evaluation)
    put(run.training_file, what)
    assert not run.trained


@pytest.mark.parametrize(
    "path",
    [
        *["seed-0.bak", "a/b/c/seed-0", "a/b/quick-0/seed-", "a/b/quick-0/seed-0.bak", "a/b/quick-0/seed--1"],
        *["a/b/-0123/seed-0", "a/b/quick-/seed-0", "a/b/quick-0/seed-²", f"a/b/quick-0/seed-{'9' * 20}"],
    ],
)
def test_paths_of_no_run_are_told(tmp_path, path):
    assert parts(tmp_path / path) is None


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("runs/a/b/quick-0/seed-0", True),
        ("/runs/a/b/quick-0/seed-0", False),
        ("runs/../b/quick-0/seed-0", False),
        ("runs/a/b/quick-0/seed-0/..", False),
        ("runs//b/quick-0/seed-0", False),
        ("jobs/a/b/quick-0/seed-0", False),
        ("runs/a/b/quick-0/seed-0.bak", False),
    ],
)
def test_a_relative_path_of_a_run_leads_nowhere_else(path, holds):
    assert is_relative_path(path) == holds


def test_directories_are_found_by_path_and_files_are_none(run, tmp_path):
    run.path.mkdir(parents=True)
    copy = run.path.with_name("seed-3.bak")
    copy.mkdir()
    run.path.with_name("seed-4").write_text("a file")
    assert find(run.out) == [run.path, copy]
    assert find(tmp_path / "none") == []


def test_an_output_directory_that_no_file_system_has_is_explained(tmp_path):
    with pytest.raises(BenchError, match="cannot be read"):
        find(tmp_path / ("x" * 300))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\nb", "\x1b[31m", "x" * 201, "ä" * 101])
def test_names_that_no_folder_can_have_are_refused(tmp_path, name):
    with pytest.raises(UsageError):
        component(name)
    config = SimpleNamespace(dataset="toy", method=name, preset="smoke", hash="0123abcd")
    with pytest.raises(UsageError):
        _ = Run(config, 0, tmp_path).path


# Emptying a directory


def test_a_directory_is_emptied_but_for_its_lock(run):
    finish(run)
    (run.path / "folder" / "deeper").mkdir(parents=True)
    run.lock_file.touch()
    run.clear()
    assert [entry.name for entry in run.path.iterdir()] == ["lock"]


@pytest.mark.parametrize("inside", ["", "measures"])
def test_what_a_symbolic_link_names_stays(run, tmp_path, inside):
    finish(run)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (run.path / inside / "link").symlink_to(tmp_path / "mine")
    (run.path / inside / "other").symlink_to(tmp_path / "mine" / "file")
    run.clear()
    assert list(run.path.iterdir()) == []
    assert (tmp_path / "mine" / "file").read_text() == "mine"


def test_a_directory_that_is_a_link_is_left_alone(run, tmp_path):
    (tmp_path / "mine").mkdir()
    write_json(tmp_path / "mine" / "training.json", {})
    run.path.parent.mkdir(parents=True)
    run.path.symlink_to(tmp_path / "mine")
    with pytest.raises(BenchError, match="symbolic link"):
        run.clear()
    assert (tmp_path / "mine" / "training.json").exists()


def test_nothing_is_deleted_where_not_everything_can_be(run, monkeypatch):
    finish(run)
    (run.path / "folder").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "folder" not in str(path) and access(path, mode))
    with pytest.raises(BenchError, match=r"folder cannot be emptied.*nothing was deleted"):
        run.clear()
    assert run.finished(run.config.evaluation)


def test_a_directory_without_a_configuration_has_the_same_files(run):
    finish(run)
    bare = Directory(run.path)
    assert (bare.trained, bare.status_file) == (True, run.status_file)
    assert bare.problem_of_results() is None
