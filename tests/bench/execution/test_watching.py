"""What a person reads of runs at work: epochs, estimates and counts."""

import pytest

from bench.execution import watching
from bench.execution.sequential import execute_in_order
from bench.execution.watching import Board
from bench.runner import execute
from bench.runs.run import Run
from bench.runs.state import write_status
from bench.runs.store import write_text
from bench.training.state import Progress
from tests.bench.conftest import tiny_config
from tests.conftest import BandClassifiers
from tests.toy import image_data


@pytest.fixture
def runs(tmp_path):
    return [Run(tiny_config(), seed, tmp_path / "out") for seed in range(3)]


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when `clock[0]` is raised, and not else."""
    now = [100.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    return now


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def progress(share, epoch=1, left=60.0):
    return Progress(epoch, 3, share, None, 100.0, left)


def test_a_verbose_board_has_a_line_with_the_loss_for_every_epoch_that_ends(runs, capsys):
    board = Board("verbose")
    board.expect(runs[:1])
    for force in (False, True):
        execute_in_order(runs[:1], image_data(), BandClassifiers(), board, force=force, fail_fast=False)
        told = [line.partition("  ")[0] for line in lines(capsys) if "loss" in line]
        assert told == [f"mmvae seed 0: epoch {epoch}/3 ended" for epoch in (1, 2, 3)]


def test_a_verbose_board_has_the_epochs_of_another_process_too(runs, capsys):
    """Whose status is written every other second, and says nothing of the last epoch."""
    (run, *_), board = runs, Board("verbose")
    board.expect([run])
    states = ("queued", "starting", "running", "evaluating", "done")
    losses = (0, 0, 1, 3, 3)
    for state, epochs in zip(states, losses, strict=True):
        run.path.mkdir(parents=True, exist_ok=True)
        write_text(run.history_file, "epoch,loss\n" + "".join(f"{e},{10 * e}.5\n" for e in range(1, epochs + 1)))
        write_status(run, state)
        board.drawn = 0.0
        board.show({run: state})
    told = [line for line in lines(capsys) if "loss" in line]
    assert told == [f"mmvae seed 0: epoch {epoch}/3 ended  loss {10 * epoch}.5" for epoch in (1, 2, 3)]


def test_a_resumed_run_is_told_from_its_next_epoch_on(runs, capsys):
    board, (run, *_) = Board("verbose"), runs
    board.expect([run])
    reports = []

    def stop():
        return "partial" if reports and reports[-1].epoch == 2 else None

    execute(run, image_data(), BandClassifiers(), report=reports.append, stop=stop)
    execute_in_order([run], image_data(), BandClassifiers(), board, force=False, fail_fast=False)
    assert [line.partition(" ended")[0] for line in lines(capsys) if "loss" in line][-1] == "mmvae seed 0: epoch 3/3"


def test_the_tally_counts_the_runs_that_have_ended(runs, capsys):
    board = Board()
    board.expect(runs)
    board.end(runs[2], "done")
    assert board.tally(runs[2]) == "[1 of 3 ended] "
    board.end(runs[0], "busy")
    board.end(runs[1], "failed")
    assert board.tally(runs[1]) == "[2 of 3 ended] "
    board.expect(runs[:2])
    assert board.tally(runs[2]) == ""  # finished before, say


def test_the_first_estimate_says_what_is_not_in_it_and_the_second_has_it(runs, clock, capsys):
    board = Board()
    board.expect(runs)
    board.begin(runs[0])
    board.progress(progress(0.1, left=90.0))
    clock[0] += 10
    board.progress(progress(0.2, left=80.0))
    assert lines(capsys) == [
        "3 runs left, 1 at once: about 5 min of training on this machine. How long evaluations take is not in it, and "
        "is known after the first"
    ]
    board.progress(progress(1.0, epoch=3, left=0.0))
    clock[0] += 50
    board.end(runs[0], "done")
    assert lines(capsys) == ["2 runs left, 1 at once: about 5 min of training and evaluation on this machine"]
    board.begin(runs[1])
    assert lines(capsys) == []


def test_of_runs_without_a_training_left_nothing_is_estimated(runs, clock, capsys):
    board = Board()
    board.expect(runs[:1])
    board.begin(runs[0])
    board.progress(progress(0.98))
    board.progress(progress(1.0, epoch=3, left=0.0))
    clock[0] += 30
    board.progress(progress(1.0, epoch=3, left=0.0))
    board.end(runs[0], "done")
    assert lines(capsys) == []


def test_a_line_of_the_pipe_says_that_evaluations_are_not_in_it(runs, clock, capsys):
    board = Board()
    board.expect(runs)
    board.begin(runs[0])
    board.progress(progress(0.1, left=90.0))
    clock[0] += 70
    board.progress(progress(0.5, left=50.0))
    assert "of training left (" in lines(capsys)[-1]
