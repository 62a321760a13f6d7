"""Which runs are executed, in which order, and what ends them."""

import fcntl
import itertools
import signal
import time

import pytest

from bench.execution import sequential as executors
from bench.execution.sequential import execute_in_order, exit_code
from bench.execution.stopping import StopRequest
from bench.runs.run import Run
from tests.bench.conftest import tiny_config
from tests.conftest import BandClassifiers
from tests.toy import image_data


class Silent:
    """A board that keeps the messages, and calls `watch` with each."""

    def __init__(self, watch=lambda text: None, progress=lambda progress: None):
        self.messages, self.watch, self.progress = [], watch, progress

    def begin(self, run):
        pass

    def end(self, run, outcome):
        pass

    def tally(self, run):
        return ""

    def message(self, text, important=False):
        self.messages.append(text)
        self.watch(text)


@pytest.fixture
def runs(tmp_path):
    return [Run(tiny_config("mmvae", "trainer.epochs=2"), seed, tmp_path / "out") for seed in range(3)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(executors, "SECONDS_BETWEEN_CLAIMS", 0.0)


def go(runs, board=None, *, force=False, fail_fast=False, **options):
    board = board or Silent()
    outcomes = execute_in_order(
        runs, image_data(), BandClassifiers(), board, force=force, fail_fast=fail_fast, **options
    )
    return list(outcomes.values())


def spoil(run):
    """Makes the run fail at once."""
    run.path.mkdir(parents=True)
    (run.path / "checkpoint.pt").write_bytes(b"not a checkpoint")


def test_a_run_that_is_refused_is_told_in_one_line(tmp_path):
    run, board = Run(tiny_config("mmvae", "trainer.batch_size=1000000"), 0, tmp_path / "out"), Silent()
    assert go([run], board) == ["failed"]
    assert board.messages == ["mmvae seed 0: failed: trainer.batch_size=1000000: the training split has only 96 tuples"]
    assert not run.path.exists()


def states(runs):
    return [run.status["state"] for run in runs]


# The order of the runs


def test_runs_are_executed_in_order(runs):
    board = Silent()
    assert go(runs, board) == ["done"] * 3
    assert board.messages == [f"mmvae seed {n}: done" for n in range(3)]
    assert go(runs) == ["skipped"] * 3


def test_runs_of_a_sweep_are_told_apart(tmp_path):
    swept = [Run(tiny_config("mmvae", "trainer.epochs=1", f"beta={beta}"), 0, tmp_path / "out") for beta in (1.0, 2.0)]
    board = Silent()
    go(swept, board)
    assert board.messages == [f"mmvae seed 0 ({run.config.hash}): done" for run in swept]


def test_a_failed_run_leaves_the_others_alone_and_its_cause_is_shown(runs):
    spoil(runs[0])
    board = Silent()
    assert go(runs[:2], board) == ["failed", "done"]
    assert "failed (error): BenchError: " in board.messages[0]
    assert "checkpoint.pt cannot be used" in board.messages[0]


def test_a_run_whose_directory_is_not_its_own_leaves_the_others_alone(runs, tmp_path):
    (tmp_path / "mine").mkdir()
    runs[0].path.parent.mkdir(parents=True)
    runs[0].path.symlink_to(tmp_path / "mine")
    (tmp_path / "mine" / "training.json").write_text("{}")
    board = Silent()
    assert go(runs[:2], board, force=True) == ["failed", "done"]
    assert "symbolic link" in board.messages[0]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["lock", "training.json"]


def test_fail_fast_ends_with_the_first_failure(runs):
    spoil(runs[1])
    assert go(runs, fail_fast=True) == ["done", "failed"]


def test_a_busy_run_comes_last_and_is_waited_for(runs):
    """Another process has the first run until the others are done and it was waited for."""
    runs[0].path.mkdir(parents=True)
    lock = (runs[0].path / "lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    asked = []

    class Stop(StopRequest):
        def __call__(self):
            if states(runs) == ["new", "done", "done"] and not lock.closed:
                asked.append(1)
                if len(asked) == 4:
                    lock.close()
            return super().__call__()

    board = Silent()
    assert go(runs, board, stop=Stop()) == ["done"] * 3
    assert [text.partition(" (")[0] for text in board.messages] == [
        "mmvae seed 0: busy",
        "mmvae seed 1: done",
        "mmvae seed 2: done",
        "mmvae seed 0: done",
    ]


def test_a_busy_run_that_another_process_finishes_is_skipped(runs):
    runs[0].path.mkdir(parents=True)
    with (runs[0].path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def watch(text):
            if text.startswith("mmvae seed 1"):
                fcntl.flock(lock, fcntl.LOCK_UN)
                go(runs[:1])

        assert go(runs[:2], Silent(watch)) == ["skipped", "done"]


def test_waiting_ends_with_a_reason_to_stop(runs):
    runs[0].path.mkdir(parents=True)
    stop = StopRequest()

    def watch(text):
        if "busy" in text:
            stop.deadline = time.monotonic()

    with (runs[0].path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert go(runs[:1], Silent(watch), stop=stop) == ["partial"]
    assert states(runs[:1]) == ["new"]


# Reasons to stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR2])
def test_a_signal_saves_the_state_and_starts_no_other_run(runs, number):
    before = signal.getsignal(number)
    assert go(runs, Silent(progress=lambda _: signal.raise_signal(number))) == ["interrupted"] * 3
    assert states(runs) == ["interrupted", "new", "new"]
    assert signal.getsignal(number) is before
    assert go(runs) == ["done"] * 3


def test_the_second_signal_is_immediate(runs):
    def twice(_progress):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        go(runs, Silent(progress=twice))
    assert states(runs) == ["interrupted", "new", "new"]
    assert not (runs[0].path / "checkpoint.pt").exists()


def test_a_signal_may_stand_for_another_reason(runs):
    stop = StopRequest(signals={signal.SIGUSR2: "requeued"})
    assert go(runs[:1], Silent(progress=lambda _: signal.raise_signal(signal.SIGUSR2)), stop=stop) == ["requeued"]
    assert states(runs[:1]) == ["requeued"]


def test_a_time_budget_that_is_used_up_leaves_partial_runs_that_can_be_resumed(runs):
    stop = StopRequest(deadline=time.monotonic() + 3600)

    def use_up(_progress):
        stop.deadline = time.monotonic()

    assert go(runs, Silent(progress=use_up), stop=stop) == ["partial"] * 3
    assert states(runs) == ["partial", "new", "new"]
    assert (runs[0].path / "checkpoint.pt").exists()
    assert go(runs) == ["done"] * 3


def test_with_no_time_left_nothing_is_started_but_what_is_finished_counts(runs):
    go(runs[1:2])
    assert go(runs, stop=StopRequest(deadline=time.monotonic())) == ["partial", "skipped", "partial"]
    assert states(runs) == ["new", "done", "new"]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["done", "skipped"], 0),
        (["done", "failed"], 1),
        (["failed", "partial"], 75),
        (["requeued"], 75),
        (["partial", "interrupted", "failed"], 130),
        ([], 0),
    ],
)
def test_exit_codes(outcomes, code):
    for order in itertools.permutations(outcomes):
        assert exit_code(order) == code
