"""Runs whose files are damaged, gone, copied or left by a process that was killed."""

import shutil
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.runs.run import Run
from bench.training import loop as training
from evaluators import default_evaluators
from tests.bench.runner.conftest import FILES, listing, measures, run_it


@pytest.mark.parametrize("damage", ["", "{}", '{"measures": {"joint_coherence": 0.5}}', "[1"])
@pytest.mark.parametrize("name", ["measures", "training.json", "config.yaml"])
def test_a_damaged_file_of_results_is_written_again(run, monkeypatch, name, damage):
    run_it(run)
    first, config = measures(run), run.config_file.read_text()
    (run.measure_file("joint") if name == "measures" else run.path / name).write_text(damage)
    monkeypatch.setattr(training, "update", lambda *_: pytest.fail("trained again"))
    assert run_it(run) in ("done", "skipped")
    assert (measures(run), run.config_file.read_text()) == (first, config)
    assert (run.true_state(), run.trained) == ("done", True)


@pytest.mark.parametrize("gone", [[], ["training.json"], ["training.json", "provenance.json"]])
def test_a_copy_is_not_another_seed(run, gone):
    run_it(run)
    other = Run(run.config, 4, run.out)
    shutil.copytree(run.path, other.path)
    for name in gone:
        (other.path / name).unlink()
    if "provenance.json" in gone:
        assert run_it(other) == "failed"
        assert "belongs to ebm-base" in other.status["error"]["message"]
    else:
        with pytest.raises(BenchError, match="a copy is not another seed"):
            run_it(other)
    assert run_it(other, force=True) == "done"
    assert measures(other) != measures(run)


@pytest.mark.parametrize("damage", ["", "{}", '{"seed": "0"}'])
def test_a_run_whose_origin_is_lost_is_named_and_not_skipped(run, caplog, damage):
    run_it(run)
    before = measures(run)
    run.provenance_file.write_text(damage)
    assert run_it(run) == "failed"
    assert "provenance.json" in caplog.text
    assert "--force" in caplog.text
    assert measures(run) == before


def test_a_finished_run_whose_checkpoint_is_gone_keeps_what_it_has(run, caplog):
    run_it(run)
    run.checkpoint_file.unlink()
    run.measure_file("joint").unlink()
    assert run_it(run) == "failed"
    assert "checkpoint.pt" in caplog.text
    assert run.trained
    assert measures_there(run) == set(default_evaluators()) - {"joint"}


def measures_there(run):
    return {name for name in default_evaluators() if run.measure_file(name).exists()}


def test_what_killed_writers_left_is_removed(run):
    (run.path / "measures").mkdir(parents=True)
    for name in (".checkpoint.pt.abc.tmp", "measures/.likelihood.json.abc.tmp"):
        (run.path / name).touch()
    run_it(run)
    assert sorted(listing(run)) == FILES
    assert not list(run.path.rglob("*.tmp"))


def test_force_takes_the_results_first_and_the_provenance_last(run, monkeypatch):
    """So that a kill in between never leaves results without a model, or one data's model under another's name."""
    run_it(run)
    gone = []
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda self, **options: (gone.append(self.name), unlink(self, **options))[1])
    run.clear()
    assert gone[:2] == ["training.json", "checkpoint.pt"]
    assert gone[-1] == "provenance.json"
    assert list(listing(run)) == ["lock"]
