"""Event files of TensorBoard, read back by TensorBoard."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bench.runs.events import write_events
from bench.runs.run import Directory

ROWS = ["epoch,seconds,loss,energy_gap,validation_joint_coherence", "1,10.5,600.25,,0.5", "2,21.0,500.5,-1.5,0.75"]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "seed-0"
    folder.mkdir()
    (folder / "provenance.json").write_text(json.dumps({"sessions": [{"started": "2026-01-02T03:04:05+00:00"}]}))
    return Directory(folder)


def history(run, rows):
    run.history_file.write_text("\n".join(rows) + "\n")


def read(folder):
    found = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(e.step, e.value, e.wall_time) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_every_number_of_the_history_is_an_event(run, tmp_path):
    history(run, ROWS)
    write_events(run, tmp_path / "log")
    began = 1767323045.0
    assert read(tmp_path / "log") == {
        "training/loss": [(1, 600.25, began + 10.5), (2, 500.5, began + 21.0)],
        "training/energy_gap": [(2, -1.5, began + 21.0)],
        "validation/joint_coherence": [(1, 0.5, began + 10.5), (2, 0.75, began + 21.0)],
    }


def test_a_run_that_grows_is_appended_to(run, tmp_path):
    history(run, ROWS[:2])
    write_events(run, tmp_path / "log")
    (file,) = (tmp_path / "log").iterdir()
    before = file.stat().st_ino, file.read_bytes()
    history(run, ROWS)
    for _ in range(2):  # and the second time there is nothing to add
        write_events(run, tmp_path / "log")
        assert (file.stat().st_ino, file.read_bytes()[: len(before[1])]) == before
    assert [step for step, _, _ in read(tmp_path / "log")["training/loss"]] == [1, 2]


def test_a_run_that_is_trained_again_replaces_its_events(run, tmp_path):
    history(run, ROWS)
    write_events(run, tmp_path / "log")
    (tmp_path / "log" / "notes.txt").write_text("mine")
    run.provenance_file.unlink()
    history(run, [ROWS[0], "1,1.0,7.0,,0.5"])
    write_events(run, tmp_path / "log")
    assert [value for _, value, _ in read(tmp_path / "log")["training/loss"]] == [7.0]
    assert (tmp_path / "log" / "notes.txt").exists()
