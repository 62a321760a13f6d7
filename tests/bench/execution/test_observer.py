"""What every run is doing: from directories, submissions and a scheduler, however damaged."""

import dataclasses
import shutil

import pytest

from bench.errors import BenchError, DataMissing, UsageError
from bench.execution.observer import Observer
from bench.execution.orders import Order
from bench.execution.selection import select
from bench.runs.process import this_process
from bench.runs.run import Run
from bench.runs.store import write_json, write_text
from tests.bench.conftest import tiny_config
from tests.bench.execution.folders import NOBODY, OTHER, RUN, finish, squeue_says, states, submit, write_status
from tests.bench.runs.hostile import PLACED, put

# From runs' directories


@pytest.mark.parametrize("state", ["failed", "interrupted", "partial", "requeued"])
def test_what_a_run_said_last_is_its_state(out, state):
    write_status(out, state)
    assert states(out) == [state]


def test_one_damaged_run_leaves_the_others_alone(out):
    finish(out)
    write_json(out / OTHER / "status.json", {"state": "running", "loss": "x", "epoch": [], "error": "why"})
    done, lost = Observer(out).look()
    assert (done.state, lost.state, lost.loss, lost.error) == ("done", "lost", None, None)
    (out / RUN / "training.json").unlink()
    damaged, _ = Observer(out).look()
    assert (damaged.state, damaged.reason) == ("damaged", "training.json is not there")


@pytest.mark.parametrize("what", PLACED)
@pytest.mark.parametrize("file", ["status.json", "config.yaml", "lock", "training.json"])
def test_whatever_lies_in_place_of_a_file_the_look_goes_on(out, file, what):
    for run in (RUN, OTHER):
        finish(out, run)
    put(out / RUN / file, what)
    observed = Observer(out).look()
    assert [run.state for run in observed][1] == "done"
    assert observed[0].state in ("done", "damaged")


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "model: [1]", "- 1", "model: {beta: 2001-99-99}", "x: !!python/none", ""]
)
def test_a_damaged_configuration_costs_its_settings(out, text):
    finish(out)
    write_text(out / RUN / "config.yaml", text)
    assert [run.settings for run in Observer(out).look()] == [""]


def test_copies_of_runs_are_named_and_left_out(out):
    finish(out)
    shutil.copytree((out / RUN).parent, out / "runs" / "polymnist" / "mmvae" / "copy of quick")
    shutil.copytree(out / RUN, out / f"{RUN}.bak")
    observer = Observer(out)
    assert [run.run for run in observer.look()] == [RUN]
    assert len(observer.problems) == 2
    assert all("is left out" in problem for problem in observer.problems)


def test_an_empty_folder_is_missing_data(out):
    with pytest.raises(DataMissing, match="neither runs nor submissions"):
        Observer(out).look()


# From submissions


@pytest.mark.parametrize(
    ("before", "job", "state"),
    [
        (None, "PENDING", "queued"),
        (None, "RUNNING", "queued"),  # its process has yet to start, or has other runs to do first
        (None, None, "lost"),
        ("failed", "PENDING", "queued"),
        ("failed", None, "failed"),
        ("interrupted", None, "interrupted"),
        ("requeued", None, "lost"),
        ("done", "PENDING", "done"),
    ],
)
def test_a_submitted_run_is_queued_while_the_scheduler_has_its_job(out, tools, before, job, state):
    if before == "done":
        finish(out)
    elif before:
        write_status(out, before)
    submit(out, ("12_0", [RUN]))
    squeue_says(tools, f"12_0 {job}" if job else "")
    assert states(out) == [state]


@pytest.mark.parametrize(
    ("said", "job", "state"),
    [
        ("failed", "RUNNING", "failed"),
        ("failed", "PENDING", "failed"),
        ("requeued", "PENDING", "requeued"),
        ("requeued", None, "lost"),
        ("running", "PENDING", "requeued"),  # its node died, and SLURM starts the job once more
        ("running", None, "lost"),
        ("running", "RUNNING", "lost"),
        ("interrupted", "PENDING", "requeued"),
        ("interrupted", None, "interrupted"),
    ],
)
def test_what_a_run_said_in_its_job_is_compared_with_the_scheduler(out, tools, said, job, state):
    submit(out, ("12_0", [RUN]))
    write_status(out, said, ago=10)
    squeue_says(tools, f"12_0 {job}" if job else "")
    assert states(out) == [state]


def test_without_a_scheduler_to_ask_a_submitted_run_is_perhaps_queued(out, tools):
    submit(out, ("12_0", [RUN]), ("12_1", [OTHER]))
    write_status(out, "requeued", run=OTHER, ago=10)
    assert states(out) == ["queued?", "requeued"]


def test_why_a_job_does_not_start_is_told_in_words(out, tools):
    submit(out, ("12_0", [RUN]), ("12_1", [OTHER]))
    squeue_says(tools, "12_0 PENDING PartitionConfig\n12_1 RUNNING None")
    waits, starts = Observer(out).look()
    assert waits.reason.startswith("no node of its partition has what it asks for (PartitionConfig). It never starts")
    assert starts.reason is None


HERE = dataclasses.asdict(this_process())


@pytest.mark.parametrize(
    ("who", "state"),
    [
        ({"pid": HERE["pid"], "started": HERE["started"]}, "queued"),
        ({"pid": HERE["pid"], "started": "another"}, "planned"),  # another process has got the number
        ({"pid": HERE["pid"], "started": None}, "planned"),
        ({"pid": NOBODY, "started": HERE["started"]}, "planned"),
        ({"pid": NOBODY, "host": "elsewhere"}, "queued?"),
    ],
)
def test_a_run_of_this_machine_is_queued_while_the_command_is_alive_and_planned_after_it(out, who, state):
    submit(out, (None, [RUN]), executor="local", **who)
    assert states(out) == [state]


def test_what_a_planned_run_was_before_still_holds(out):
    write_status(out, "partial", ago=10)
    submit(out, (None, [RUN, OTHER]), executor="local")
    assert states(out) == ["partial", "planned"]


def test_the_latest_submission_counts(out, tools):
    submit(out, ("12", [RUN]), name="a")
    submit(out, ("13", [RUN]), name="b")
    squeue_says(tools, "13 PENDING")
    (found,) = Observer(out).look()
    assert (found.state, found.job, found.log) == ("queued", "13", "jobs/b/0.log")


def test_a_damaged_submission_is_named_and_the_runs_are_there(out):
    finish(out)
    submit(out, ("12", [OTHER]))
    (out / "jobs" / "a" / "submission.json").write_text("{")
    observer = Observer(out)
    assert [run.run for run in observer.look()] == [RUN]
    assert "submission.json is left out" in observer.problems[0]


def test_runs_of_a_sweep_are_told_apart_before_they_start(out, tools):
    runs = [Run(tiny_config("mmvae", f"prior.scale={scale}"), 0, out) for scale in (1, 2)]
    for n, run in enumerate(runs):
        Order((run,), out, "cpu").write(out / "jobs" / "a" / f"{n}.json")
    submit(out, *[(f"12_{n}", [run.relative_path]) for n, run in enumerate(runs)])
    squeue_says(tools, "12_0 PENDING")
    found = {run.job: run for run in Observer(out).look()}
    assert (found["12_0"].settings, found["12_0"].state) == ("prior.scale=1.0", "queued")
    assert [run.settings for run in found.values() if run.state == "lost"] == ["prior.scale=2.0"]


# Which run is meant


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("mmvae", [RUN]),  # and not mmvaeplus
        ("mmvae*", [RUN, OTHER]),
        ("mmvae/seed-0", [RUN]),
        ("4567cdef", [OTHER]),
        ("quick-4567*", [OTHER]),
        ("polymnist/seed-1", [OTHER]),
        (RUN, [RUN]),
        (f"runs/{RUN.split('/', 1)[1]}/", [RUN]),
    ],
)
def test_runs_are_named_by_parts_of_their_paths(out, name, runs):
    write_status(out, "done")
    write_status(out, "done", run=OTHER)
    found = Observer(out).look()
    assert [run.run for run in select(found, out, [name])] == runs
    assert [run.run for run in select(found, out, [str(out / runs[0])])] == runs[:1]


@pytest.mark.parametrize("name", ["mmva", "seed-0/mmvae", "mmvae/seed-1", "mmvae/mmvae", "[", "../..", "\x1b[2J"])
def test_a_name_of_no_run_is_refused_with_those_that_there_are(out, name):
    write_status(out, "done")
    with pytest.raises(UsageError, match=f"There are:\n  {RUN}"):
        select(Observer(out).look(), out, [name])


def test_an_output_directory_that_cannot_be_read_is_explained(tmp_path):
    with pytest.raises(BenchError, match="cannot be read"):
        Observer(tmp_path / ("x" * 300)).look()
