"""Runs of several folders in one, and what is refused on the way."""

import json
import os
import shutil

import pytest

from bench.cli import main
from bench.reporting.merge import survey
from evaluators.base import wilson
from tests.bench.reporting.merging import MOPOE, content, told, write
from tests.bench.rundirs import (
    config_of,
    edit_json,
    measure_file,
    with_intervals,
    write_history,
    write_measures,
    write_run,
    write_set,
)


def problems_of(folder):
    return survey([folder]).problems


def test_runs_of_two_folders_are_in_one_and_the_sources_are_as_before(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    first, second = write(a), write(b, MOPOE)
    before = content(a), content(b)
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 0, printed
    assert "2 runs are in order; 0 problems" in printed
    assert (content(a), content(b)) == before
    for source, folder in ((first, a), (second, b)):
        expected = content(source)
        del expected["lock"]
        assert content(c / source.relative_to(folder)) == expected
    assert main(["report", "--out", str(c)]) == 0
    assert told(capsys, c, "--check")[0] == 0


def test_to_merge_again_changes_nothing(tmp_path, capsys):
    a, c = tmp_path / "a", tmp_path / "c"
    write(a)
    assert told(capsys, a, "--out", c)[0] == 0
    before = content(c)
    code, printed = told(capsys, a, "--out", c)
    assert code == 0
    assert "0 of them were copied" in printed
    assert content(c) == before


def test_a_run_that_two_folders_have_is_there_once(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    run = write(a)
    shutil.copytree(a, b)
    shutil.copytree(run, run.with_name("seed-0.bak"))
    edit_json(b / run.relative_to(a) / "provenance.json", "hardware", "host", value="another host")
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 0
    assert printed.count("is the same run as") == 2
    assert [path.name for path in c.glob("runs/*/*/*/*")] == ["seed-0"]
    (merged,) = c.glob("runs/*/*/*/*")
    assert json.loads((merged / "provenance.json").read_text())["hardware"]["host"] == "a host"


def test_what_was_measured_elsewhere_joins_the_same_run(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    run = write(a)
    shutil.copytree(a, b)
    file = write_measures(b / run.relative_to(a), "probes", probe_z=0.7)
    with_intervals(b / run.relative_to(a))
    assert told(capsys, a, "--out", c)[0] == 0
    assert not (c / run.relative_to(a) / "measures" / file.name).exists()
    assert told(capsys, b, "--out", c)[0] == 0
    assert (c / run.relative_to(a) / "measures" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("what", ["measure", "history", "prior", "parameters", "absent"])
def test_runs_that_contradict_each_other_are_refused_with_both_paths(tmp_path, capsys, what):
    a, b, c = (tmp_path / name for name in "abc")
    run = write(a)
    shutil.copytree(a, b)
    other = b / run.relative_to(a)
    if what == "measure":
        value = {"value": 0.55, **dict(zip(("low", "high"), wilson(0.55, 1000)))}
        tree = json.loads(measure_file(other, "joint").read_text())
        tree["measures"]["joint_coherence"] |= value
        measure_file(other, "joint").write_text(json.dumps(tree))
    elif what == "history":
        path = other / "history.csv"
        path.write_text(path.read_text().replace("899.5", "899.4"))
    elif what == "prior":
        (path,) = other.glob("priors/*.json")
        edit_json(path, "measures", "joint_coherence", "details", "more", value=1)
    elif what == "parameters":
        edit_json(other / "training.json", "parameters", value=1001)
    else:
        write_set(other, "cross", "there are no labels")
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 1
    assert f"{run} and {other} are the same run" in printed
    assert "contradict each other in" in printed
    assert not c.exists()
    assert told(capsys, a, b, "--check")[0] == 1


def test_how_often_a_run_was_measured_is_no_contradiction(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    settings = ["trainer.epochs=2", "trainer.validation=0.05"]
    write(a, config_of("mmvae", *settings))
    run = write(b, config_of("mmvae", *settings, "trainer.validate_every=2"))
    write_history(run, 2)
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 0, printed
    assert len(list(c.glob("runs/*/*/*/*"))) == 1


def test_an_unfinished_run_in_the_way_is_a_problem_and_nothing_is_written(tmp_path, capsys):
    a, c = tmp_path / "a", tmp_path / "c"
    run, other = write(a), write(a, seed=1)
    unfinished = c / run.relative_to(a)
    unfinished.mkdir(parents=True)
    (unfinished / "history.csv").write_text("epoch,loss\n")
    code, printed = told(capsys, a, "--out", c)
    assert code == 1
    assert f"{unfinished} is in the way" in printed
    assert not (c / other.relative_to(a)).exists()


def test_a_run_that_is_not_finished_is_left_out_with_a_note(tmp_path, capsys):
    write(tmp_path / "a")
    write_run(tmp_path / "a", "mvae", error={"kind": "diverged", "type": "Diverged", "message": "loss is nan"})
    code, printed = told(capsys, tmp_path / "a", "--check")
    assert code == 0
    assert "mvae/quick-0123abcd/seed-0 is not finished (failed), and is left out" in printed


def test_a_copied_run_goes_where_it_belongs(tmp_path, capsys):
    run = write(tmp_path / "a")
    run.parent.rename(run.parent.with_name("my best run"))
    assert told(capsys, tmp_path / "a", "--out", tmp_path / "c")[0] == 0
    assert (tmp_path / "c" / run.relative_to(tmp_path / "a") / "config.yaml").is_file()


def test_what_a_process_elsewhere_was_doing_is_not_copied(tmp_path, capsys):
    run = write(tmp_path / "a")
    (run / "status.json").write_text('{"state": "running", "pid": 1234}')
    assert told(capsys, tmp_path / "a", "--out", tmp_path / "c")[0] == 0
    assert not (tmp_path / "c" / run.relative_to(tmp_path / "a") / "status.json").exists()


def test_folders_without_runs_and_a_folder_into_itself_are_refused(tmp_path, capsys):
    run = write(tmp_path / "a")
    assert told(capsys, tmp_path / "none", "--check") == (
        3,
        f"bench: {tmp_path / 'none'} holds no runs: name a folder that `bench run --out` has filled\n",
    )
    for out in (tmp_path / "a", run.parent, tmp_path / "a" / "runs" / "new"):
        assert told(capsys, tmp_path / "a", "--out", out)[0] == 2
    (tmp_path / "file").touch()
    assert told(capsys, tmp_path / "a", "--out", tmp_path / "file")[0] == 2


def test_a_full_disk_is_told_in_a_sentence(tmp_path, capsys, monkeypatch):
    write(tmp_path / "a")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    code, printed = told(capsys, tmp_path / "a", "--out", tmp_path / "c")
    assert code == 1
    assert "No space left on device. What was copied before is whole" in printed
    assert content(tmp_path / "c") == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_a_problem(tmp_path):
    run = write(tmp_path / "a")
    run.parent.chmod(0)
    try:
        assert "cannot be read" in problems_of(tmp_path / "a")[0]
    finally:
        run.parent.chmod(0o700)
