"""Sweeps on a real SLURM, without accounting: arrays, preemption, sudden death, and two at a time."""

import json
import os
import signal
import subprocess
import time

import pytest
import torch

from bench.execution.submissions import read_submissions
from tests.bench.conftest import run_folder

SMALL = ["--preset", "smoke", "--set", "evaluation.samples=100", "--set", "evaluation.batch_size=100"]
MOST_SECONDS = 300


@pytest.fixture(scope="session")
def submit(bench, cluster_file):
    """Submits the methods' runs: `bench run … --executor slurm ARGUMENTS`."""

    def run(out, methods, *arguments):
        command = ["run", "--methods", methods, "--dataset", "polymnist", *SMALL, "--device", "cpu", "--out", out]
        return bench(*command, "--executor", "slurm", "--cluster", cluster_file, *arguments)

    return run


@pytest.fixture(scope="session")
def states(bench):
    """What `bench status` says: {method/seed: its fields}."""

    def ask(out):
        result = bench("status", "--out", out, "--json")
        assert result.returncode == 0, result.stderr
        return {f"{run['method']}/{run['seed']}": run for run in json.loads(result.stdout)}

    return ask


def submissions(out):
    found, problems = read_submissions(out)
    assert not problems
    return found


def until(holds, what):
    """Asks until the answer is true, and gives it."""
    deadline = time.monotonic() + MOST_SECONDS
    while not (answer := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return answer


def started(out, method):
    """The status of the method's run, once it has trained for some steps."""

    def look():
        for path in out.glob(f"runs/*/{method}/*/*/status.json"):
            status = json.loads(path.read_text())
            return status if status["state"] == "running" and "share" in status else None

    return until(look, f"{method} trains")


def measures(out, method):
    files = (run_folder(out, method) / "measures").iterdir()
    return {file.name: json.loads(file.read_text())["measures"] for file in files}


def parameters(out, method):
    return torch.load(run_folder(out, method) / "checkpoint.pt", weights_only=True)["method"]


@pytest.fixture(scope="module")
def sweep(submit, states, tmp_path_factory):
    """An array of four runs, one of which diverges: (output directory, all that was said of every run meanwhile)."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    diverging = ["--set", "prior.step_size=1e20", "--set", "prior.start=0"]
    result = submit(out, "mmvae,mmvaeplus,mmjsd,ebm-base", *diverging)
    assert result.returncode == 0, result.stderr
    assert "submitted 4 runs as 4 jobs" in result.stdout
    seen = []

    def ended():
        seen.append(states(out))
        return all(run["state"] in ("done", "failed", "lost") for run in seen[-1].values())

    until(ended, "the array ends")
    return out, seen


def test_one_array_executes_all_runs_and_a_failing_one_leaves_the_others_alone(sweep):
    out, seen = sweep
    assert {name: run["state"] for name, run in seen[-1].items()} == {
        "mmvae/0": "done",
        "mmvaeplus/0": "done",
        "mmjsd/0": "done",
        "ebm-base/0": "failed",
    }
    assert seen[-1]["ebm-base/0"]["error"]["kind"] == "diverged"
    (submission,) = submissions(out)
    array = submission.jobs[0].job.partition("_")[0]
    assert [job.job for job in submission.jobs] == [f"{array}_{number}" for number in range(4)]
    assert {run["job"] for run in seen[-1].values()} == {job.job for job in submission.jobs}
    assert all((out / job.log).read_text() for job in submission.jobs)


def test_status_follows_the_runs_from_the_queue_to_the_end(sweep):
    _, seen = sweep
    assert {"queued", "running"} <= {run["state"] for look in seen for run in look.values()}
    for name in seen[-1]:
        course = list(dict.fromkeys(look[name]["state"] for look in seen))
        assert course[-1] in ("done", "failed")
        assert [state for state in ("queued", "running", "evaluating") if state in course] == course[:-1]
    running = [run for look in seen for run in look.values() if run["state"] == "running"]
    assert all(run["job"] for run in running)
    assert all(run["host"] for run in running if run["updated"])  # else it has yet to say so


def test_tables_are_made_of_what_the_jobs_left(sweep, bench):
    out, _ = sweep
    assert not (out / "leaderboard.md").exists()
    assert bench("report", "--out", out).returncode == 0
    table = (out / "leaderboard.md").read_text()
    assert all(name in table for name in ("mmvae", "mmvaeplus", "mmjsd", "diverged"))


def test_a_preempted_run_is_requeued_and_ends_with_the_numbers_of_an_uninterrupted_one(sweep, submit, states, tmp_path):
    out = tmp_path / "out"
    assert submit(out, "mmvae").returncode == 0
    status = started(out, "mmvae")
    subprocess.run(["scancel", "--signal=USR2", status["job"]], check=True)
    until(lambda: states(out)["mmvae/0"]["state"] == "requeued", "the run is requeued")
    assert (run_folder(out, "mmvae") / "checkpoint.pt").exists()

    time.sleep(3)  # a node refuses a job that starts anew in the second in which the first attempt's credential ended

    def done():
        # SLURM holds a requeued job for two minutes. It forgets the wish if the job has not quite ended yet.
        subprocess.run(
            ["scontrol", "update", f"jobid={status['job']}", "StartTime=now"], capture_output=True, check=False
        )
        return states(out)["mmvae/0"]["state"] == "done"

    until(done, "the run goes on and ends")
    reference, _ = sweep
    assert measures(out, "mmvae") == measures(reference, "mmvae")
    ours, theirs = parameters(out, "mmvae"), parameters(reference, "mmvae")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    sessions = json.loads((run_folder(out, "mmvae") / "provenance.json").read_text())["sessions"]
    assert len(sessions) == 2
    (submission,) = submissions(out)
    log = (out / submission.jobs[0].log).read_text()
    assert "mmvae seed 0: requeued" in log
    assert "mmvae seed 0: done" in log


def test_a_killed_job_is_lost_until_it_is_retried(sweep, submit, states, bench, cluster_file, tmp_path):
    out = tmp_path / "out"
    assert submit(out, "mmvae").returncode == 0
    os.kill(started(out, "mmvae")["pid"], signal.SIGKILL)
    until(lambda: states(out)["mmvae/0"]["state"] == "lost", "the run is lost")
    retry = ["retry", "--lost", "--out", out, "--device", "cpu"]
    result = bench(*retry, "--executor", "slurm", "--cluster", cluster_file, "--wait")
    assert result.returncode == 0, result.stderr
    assert measures(out, "mmvae") == measures(sweep[0], "mmvae")
    assert "mmvae" in (out / "leaderboard.md").read_text()


def test_two_sweeps_on_one_output_directory_share_the_runs(submit, states, tmp_path):
    out = tmp_path / "out"
    assert submit(out, "mmvae,mmjsd").returncode == 0
    result = submit(out, "mmjsd,mmvae", "--wait")
    assert result.returncode == 0, result.stderr
    assert "2 done" in result.stderr
    until(lambda: all(run["state"] == "done" for run in states(out).values()), "both sweeps end")
    assert len(submissions(out)) == 2
    for method in ("mmvae", "mmjsd"):
        sessions = json.loads((run_folder(out, method) / "provenance.json").read_text())["sessions"]
        assert len(sessions) == 1  # trained once


def test_a_job_that_no_node_can_run_says_so_and_which_key_to_change(submit, states, bench, tmp_path):
    """The file asks for more than the node has, as one with the default of four cores does on a node of two."""
    (tmp_path / "cluster.yaml").write_text(f"time: 20m\ncpus: {2 * os.cpu_count()}\n")
    out = tmp_path / "out"
    assert submit(out, "mmvae", "--cluster", tmp_path / "cluster.yaml").returncode == 0

    def reason():
        (run,) = states(out).values()
        assert run["state"] == "queued"
        return run["reason"]

    told = until(reason, "SLURM gives a reason")
    assert "never starts" in told
    assert "`cpus`" in told
    assert told in " ".join(bench("status", "--out", out).stdout.split())
    assert bench("cancel", "--out", out).returncode == 0
    until(lambda: states(out)["mmvae/0"]["state"] == "lost", "the job is cancelled")


def test_what_slurm_refuses_is_told_in_its_words(submit, tmp_path):
    (tmp_path / "cluster.yaml").write_text("partition: nowhere\n")
    result = submit(tmp_path / "out", "mmvae,mmjsd", "--cluster", tmp_path / "cluster.yaml")
    assert result.returncode == 1
    assert "SLURM refuses the array bench-polymnist: " in result.stderr
    assert "nowhere" in result.stderr
    assert not submissions(tmp_path / "out")


def test_a_cancelled_run_saves_its_state_and_is_not_requeued(submit, states, bench, tmp_path):
    out = tmp_path / "out"
    assert submit(out, "mmvae").returncode == 0
    started(out, "mmvae")
    assert bench("cancel", "--out", out).returncode == 0
    until(lambda: states(out)["mmvae/0"]["state"] == "interrupted", "the run is interrupted")
    assert (run_folder(out, "mmvae") / "checkpoint.pt").exists()
