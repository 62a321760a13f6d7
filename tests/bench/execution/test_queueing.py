"""Waiting for runs that were handed to SLURM."""

import json

import pytest

from bench.execution import queueing
from bench.execution.dispatch import Execution
from bench.execution.observer import Observer
from bench.execution.queueing import latest_states, submit_runs, wait
from bench.runs.run import Run
from evaluators import default_evaluators
from tests.bench.conftest import tiny_config
from tests.bench.execution.folders import finish, instead_of_sleep, squeue_says, submit, write_status
from tests.bench.rundirs import complete


@pytest.fixture
def run(out):
    return Run(tiny_config("ebm-base"), 3, out)


@pytest.fixture
def submission(run, out, tools):
    return submit(out, ("12_0", [run.relative_path]))


def said_of(run, submission):
    (state,) = latest_states(Observer(run.out).look(), submission, [run]).values()
    return state


@pytest.mark.parametrize(
    ("said", "job", "state"),
    [
        (None, "PENDING", "queued"),
        (None, "", "lost"),
        ("running", "", "lost"),
        ("requeued", "PENDING", "requeued"),
        ("requeued", "", "lost"),
        ("interrupted", "PENDING", "requeued"),  # SLURM requeues some jobs by itself
        ("interrupted", "", "interrupted"),
        ("failed", "RUNNING", "failed"),
        ("done", "COMPLETING", "done"),
    ],
)
def test_whoever_waits_for_a_run_learns_its_state(out, run, submission, tools, said, job, state):
    if said == "done":
        finish(out, run.relative_path)
    if said:
        write_status(out, said, run.relative_path, ago=1)
    squeue_says(tools, f"12_0 {job}" if job else "")
    assert said_of(run, submission) == state


def test_a_finished_run_that_is_trained_again_is_waited_for_until_its_job_has_ended(out, run, submission, tools):
    finish(out, run.relative_path)
    squeue_says(tools, "12_0 PENDING")
    assert said_of(run, submission) == "queued"
    squeue_says(tools, "")
    assert said_of(run, submission) == "done"


def test_waiting_tells_why_jobs_do_not_start_and_whether_they_ever_will(
    out, run, submission, tools, monkeypatch, capsys
):
    looks = iter(["12_0 PENDING Resources", "12_0 PENDING PartitionConfig", "12_0 PENDING PartitionConfig", ""])

    def sleep(_seconds):
        squeue_says(tools, next(looks))

    squeue_says(tools, "12_0 PENDING Priority")
    instead_of_sleep(monkeypatch, queueing, sleep)
    assert wait(submission, [run]) == {run: "failed"}
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "queued: jobs of a higher priority come first (Priority)"
    assert said[1] == "queued: waits for nodes that other jobs use (Resources)"
    assert "never starts" in said[2]
    assert "`cpus`" in said[2]
    assert said[3:] == ["1 lost", "ebm-base seed 3: lost"]


def test_ctrl_c_leaves_the_jobs_alone_and_says_how_to_end_them(run, submission, tools, monkeypatch, capsys):
    def sleep(_seconds):
        raise KeyboardInterrupt

    squeue_says(tools, "12_0 PENDING None")
    instead_of_sleep(monkeypatch, queueing, sleep)
    with pytest.raises(KeyboardInterrupt):
        wait(submission, [run])
    assert f"`bench cancel --out {run.out}` ends them" in capsys.readouterr().err


def test_what_is_finished_is_not_submitted(out, run, tools, capsys):
    finish(out, run.relative_path)
    complete(run.path, *(run.measure_file(name).name for name in default_evaluators()))
    for name in ("sbatch", "srun"):
        tools(name, "exit 1")
    assert submit_runs([run], Execution(out, out, executor="slurm")) == {run: "skipped"}
    assert "1 of 1 runs are finished already" in capsys.readouterr().err


def test_what_slurm_takes_is_recorded_with_its_number(out, run, tools, capsys):
    other = Run(run.config, 4, out)
    tools("sbatch", "echo Submitted batch job 77")
    tools("srun", "exit 0")
    assert submit_runs([run, other], Execution(out, out, executor="slurm")) is None
    (record,) = out.glob("jobs/*/submission.json")
    jobs = json.loads(record.read_text())["jobs"]
    assert [(job["job"], job["runs"]) for job in jobs] == [
        ("77_0", [run.relative_path]),
        ("77_1", [other.relative_path]),
    ]
    assert [seen.log for seen in Observer(out).look()] == [job["log"] for job in jobs]  # each below the submission
    assert "submitted 2 runs as 2 jobs" in capsys.readouterr().out
