"""Several processes at once: who starts when, what each is given, and how they end."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from bench.execution import dispatch, pool
from bench.execution.dispatch import automatic_jobs
from bench.execution.orders import Order, read_order
from bench.execution.pool import Task, end_of, environments, run_pool, tasks_of
from bench.execution.stopping import StopRequest
from bench.execution.submissions import new_submission, read_submissions
from bench.execution.watching import Board
from bench.runs.machine import cores
from bench.runs.run import Run
from bench.runs.state import write_status
from tests.bench.conftest import run_folder, tiny_config

# Instead of training: notes that it has started, does what the task's order file says, and ends with the code it names.
WORKER = """
import os, pathlib, signal, sys, time
order = pathlib.Path(sys.argv[1])
stopped = lambda number, frame: sys.exit(130)
signal.signal(signal.SIGTERM, stopped)
what, *arguments = order.read_text().split()
if what != "save":
    order.with_suffix(".started").write_text(os.environ["SLOT"])
if what == "exit":
    sys.exit(int(arguments[0]))
if what == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "meet":  # ends when the others that it names have started as well, which they only do beside it
    while not all(order.with_name(name).exists() for name in arguments):
        time.sleep(0.01)
if what == "wait":
    signal.pause()
if what == "save":  # for ever: only a second signal ends it
    asked = lambda number, frame: (signal.signal(signal.SIGTERM, stopped), order.with_suffix(".asked").touch())
    signal.signal(signal.SIGTERM, asked)
    order.with_suffix(".started").touch()
    while True:
        signal.pause()
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """Makes a task of every text, for which a process starts that does what it says."""

    class Started:
        """What the pool asks of a process."""

        def __init__(self, task, environment):
            command = [sys.executable, "-S", "-c", WORKER, str(task.order)]
            self.process = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)
            self.terminate, self.join = self.process.terminate, self.process.wait

        @property
        def exitcode(self):
            return self.process.poll()

    def make(*texts):
        config = tiny_config()
        made = []
        for seed, text in enumerate(texts):
            (tmp_path / f"{seed}.json").write_text(text)
            made.append(Task(Run(config, seed, tmp_path), tmp_path / f"{seed}.json", tmp_path / f"{seed}.log"))
        return made

    monkeypatch.setattr(pool, "start", Started)
    monkeypatch.setattr(pool, "SECONDS_BETWEEN_LOOKS", 0.01)
    return make


def execute(tasks, jobs, stop=None, **options):
    slots = [{"SLOT": str(slot)} for slot in range(jobs)]
    outcomes = run_pool(tasks, slots, Board(), stop or StopRequest(), **options)
    return [outcomes.get(task.run) for task in tasks]


def signal_when(number, *paths):
    """Sends this process the signal when the first file is there, again when the second one is, …, from a thread."""

    def send():
        for path in paths:
            while not path.exists():
                pass
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_as_many_processes_as_slots_are_at_work_at_once(tasks, tmp_path):
    # The first two end only when both have started; the third must not have started before one of them ended.
    assert execute(tasks("meet 1.started", "meet 0.started", "exit 0"), jobs=2) == ["done"] * 3
    assert {(tmp_path / f"{number}.started").read_text() for number in (0, 1)} == {"0", "1"}


def test_one_slot_takes_the_tasks_in_order(tasks, tmp_path):
    execute(tasks("exit 0", "exit 0", "exit 0"), jobs=1)
    times = [(tmp_path / f"{number}.started").stat().st_mtime_ns for number in range(3)]
    assert times == sorted(times)


def test_a_failed_or_killed_process_leaves_the_others_alone(tasks, capsys):
    outcomes = execute(tasks("exit 1", "kill", "exit 0", "exit 75", "exit 3"), jobs=2)
    assert outcomes == ["failed", "failed", "done", "partial", "failed"]
    said = capsys.readouterr().err
    assert "mmvae seed 1: failed (killed by SIGKILL, as Linux does when memory is used up; see" in said
    assert "mmvae seed 4: failed (exit code 3; see" in said


def test_the_cause_of_a_failure_is_the_runs_own_word(tasks, capsys):
    (task,) = tasks("exit 1")
    error = {"kind": "diverged", "type": "Diverged", "message": "loss is nan"}
    write_status(task.run, "failed", error=error)
    execute([task], jobs=1)
    assert "failed (diverged): Diverged: loss is nan" in capsys.readouterr().err


def test_fail_fast_starts_no_other_run(tasks, tmp_path):
    assert execute(tasks("exit 1", "exit 0", "exit 0"), jobs=1, fail_fast=True) == ["failed", None, None]
    assert not (tmp_path / "1.started").exists()


def test_a_signal_is_passed_on_and_nothing_more_starts(tasks, tmp_path):
    thread = signal_when(signal.SIGINT, tmp_path / "1.started")
    assert execute(tasks("wait", "wait", "exit 0"), jobs=2) == ["interrupted"] * 3
    thread.join()
    assert not (tmp_path / "2.started").exists()


def test_at_the_second_signal_all_processes_end(tasks, tmp_path):
    thread = signal_when(signal.SIGTERM, tmp_path / "0.started", tmp_path / "0.asked")
    with pytest.raises(KeyboardInterrupt):
        execute(tasks("save", "exit 0"), jobs=1)
    thread.join()
    assert not (tmp_path / "1.started").exists()


def test_a_used_up_time_budget_starts_nothing(tasks, tmp_path):
    assert execute(tasks("exit 0", "exit 0"), jobs=2, stop=StopRequest(deadline=0.0)) == ["partial"] * 2
    assert not (tmp_path / "0.started").exists()


def test_cores_are_divided(monkeypatch):
    monkeypatch.setattr(pool, "cores", lambda: 8)
    monkeypatch.setattr(pool, "visible_gpus", list)
    assert environments(3, "auto") == [{"OMP_NUM_THREADS": "2"}] * 3
    assert environments(20, "auto") == [{"OMP_NUM_THREADS": "1"}] * 20
    assert 1 <= cores() <= os.cpu_count()


@pytest.mark.parametrize(
    ("device", "runs", "machine", "jobs"), [("cpu", 9, 2, 2), ("cpu", 1, 4, 1), ("cpu", 99, 64, 8), ("cuda", 9, 2, 1)]
)
def test_without_jobs_there_is_a_run_on_each_core_and_one_on_an_accelerator(monkeypatch, device, runs, machine, jobs):
    monkeypatch.setattr(dispatch, "cores", lambda: machine)
    monkeypatch.setattr(dispatch, "choose_device", torch.device)
    assert automatic_jobs(runs, device) == jobs


def test_gpus_are_given_out_in_turn_unless_one_is_named(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in environments(3, "auto")] == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-8a")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in environments(3, "cuda")] == ["5", "GPU-8a", "5"]
    assert not any("CUDA_VISIBLE_DEVICES" in slot for device in ("cpu", "cuda:1") for slot in environments(2, device))


def test_every_run_has_an_order_and_stands_in_the_record(tmp_path):
    runs = [Run(tiny_config(), seed, tmp_path) for seed in (0, 1)]
    submission = new_submission(tmp_path, "local")
    tasks = tasks_of([Order((run,), tmp_path / "data", "cpu") for run in runs], submission)
    assert [read_order(task.order).runs for task in tasks] == [(run,) for run in runs]
    ((record,), _) = read_submissions(tmp_path)
    assert [job.runs for job in record.jobs] == [[run.relative_path] for run in runs]
    assert [tmp_path / job.log for job in record.jobs] == [task.log for task in tasks]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "exit code 3"),
        (-signal.SIGSEGV, "killed by SIGSEGV"),
        (-signal.SIGKILL, "killed by SIGKILL, as Linux does when memory is used up"),
        (-40, "killed by signal 40"),
    ],
)
def test_how_a_process_ended_is_told(code, words):
    assert end_of(code) == words


def results(folder):
    return {path.name: json.loads(path.read_text())["measures"] for path in (folder / "measures").iterdir()}


def test_several_processes_give_the_numbers_of_one(bench, tmp_path):
    tiny = ["--set", "trainer.batch_size=4096", "--set", "evaluation.samples=100", "--set", "evaluation.batch_size=100"]
    arguments = ["--dataset", "polymnist", "--preset", "smoke", *tiny]
    one = bench("run", "--methods", "mmvae", *arguments, "--out", tmp_path / "one")
    assert one.returncode == 0, one.stderr
    diverging = ["--set", "prior.step_size=1e20", "--set", "prior.start=0"]
    several = [*arguments, "--jobs", "2", "--out", tmp_path / "two"]
    two = bench("run", "--methods", "ebm-base,mmvae", *several, *diverging)
    assert two.returncode == 1, two.stderr
    assert "mmvae seed 0: done" in two.stderr
    assert "ebm-base seed 0: failed (diverged)" in two.stderr
    one_by_one, at_once = (results(run_folder(tmp_path / out, "mmvae")) for out in ("one", "two"))
    assert one_by_one == at_once
    assert len(one_by_one) >= 5
    assert "mmvae" in (tmp_path / "two" / "leaderboard.md").read_text()
    again = bench("run", "--methods", "mmvae", *several)
    assert again.returncode == 0, again.stderr
    assert "mmvae seed 0: skipped" in again.stderr
