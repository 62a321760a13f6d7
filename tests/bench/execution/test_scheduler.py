"""What squeue says of jobs, and what its reasons mean to a person."""

import subprocess

import pytest

from bench.execution.cluster import MANAGED
from bench.execution.reasons import LASTING, PASSING, reason_of
from bench.execution.scheduler import ENDED, ask_scheduler
from tests.bench.execution.folders import squeue_says


def asked(*ids):
    return {job: found.state for job, found in ask_scheduler(ids).items()}


def test_squeue_tells_the_states_and_what_it_does_not_know_has_ended(tools):
    squeue_says(tools, "12_0 RUNNING\n12_1 PENDING Priority\n14 COMPLETING")
    states = {"12_0": "RUNNING", "12_1": "PENDING", "12_2": ENDED, "14": "COMPLETING"}
    assert asked(*states) == states


def test_a_job_with_another_name_has_got_the_number_of_one_that_has_ended(tools):
    tools("squeue", "echo '12|RUNNING|somebody|else|None'; echo '13|RUNNING|bench-a|b|None'")
    assert asked("12", "13") == {"12": ENDED, "13": "RUNNING"}


def test_a_single_job_that_slurm_has_forgotten_has_ended(tools):
    squeue_says(tools, "", complains="slurm_load_jobs error: Invalid job id specified", code=1)
    assert asked("12") == {"12": ENDED}


def test_a_scheduler_that_does_not_answer_says_nothing(tools, monkeypatch):
    squeue_says(tools, "", complains="slurm_load_jobs error: Unable to contact slurm controller", code=1)
    assert asked("12") == {}
    monkeypatch.setenv("PATH", "")
    assert asked("12") == {}
    assert asked() == {}


def test_only_numbers_of_jobs_are_asked_about(tools, monkeypatch):
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    assert asked("--user=victim", "all", "12;rm") == {}
    assert commands == []


def test_odd_output_says_nothing_about_jobs(tools):
    tools("squeue", r"printf 'error\n\n|||\n12|PENDING\n\377\033[2J|x|bench|y\n'")
    assert asked("12") == {"12": ENDED}


def test_a_pending_job_has_a_reason_and_a_running_one_none(tools):
    squeue_says(tools, "12_0 PENDING Resources\n12_1 PENDING None\n12_2 RUNNING None")
    found = ask_scheduler(["12_0", "12_1", "12_2"])
    assert str(found["12_0"].reason) == "waits for nodes that other jobs use (Resources)"
    assert found["12_1"].reason is found["12_2"].reason is None


@pytest.mark.parametrize("word", PASSING)
def test_what_passes_by_itself_is_not_called_lasting(word):
    reason = reason_of(word, "12_0")
    assert not reason.permanent
    assert f"({word})" in str(reason)


@pytest.mark.parametrize("word", LASTING)
def test_what_does_not_pass_names_the_key_to_change(word):
    reason = reason_of(word, "12_0")
    assert reason.permanent
    assert "never starts" in str(reason)
    assert "in the cluster file" in str(reason)
    assert "`bench cancel`" in str(reason)


@pytest.mark.parametrize(
    ("word", "words", "permanent"),
    [
        ("ReqNodeNotAvail, UnavailableNodes:node[1-4]", "down, drained or reserved", False),
        ("(Resources)", "other jobs use", False),
        ("QOSMaxCpuPerUserLimit", "starts when other jobs have ended", False),
        ("QOSMaxCpuPerJobLimit", "`cpus`", True),
        ("QOSMaxWallDurationPerJobLimit", "`time`", True),
        ("QOSMaxMemoryPerJob", "`memory`", True),
        ("QOSMinGRES", "`gpus`", True),
        ("AssocGrpCpuLimit", "its account is reached", False),
        ("AssocMaxGRESPerJob", "`gpus`", True),
        ("AssocMaxJobsLimit", "other jobs have ended", False),
        ("MaxGRESPerAccountLimit", "other jobs have ended", False),
        ("JobHeldUser", "`scontrol release 12_0`", True),
        ("launch failed requeued held", "`scontrol release 12_0`", True),
        ("SomethingOfTheFuture", "SLURM says SomethingOfTheFuture", False),
    ],
)
def test_reasons_in_a_persons_words(word, words, permanent):
    reason = reason_of(word, "12_0")
    assert words in str(reason)
    assert reason.permanent == permanent


def test_the_keys_that_are_named_are_those_of_a_cluster_file():
    keys = {word for text in MANAGED.values() for word in text.split("`")[1::2] if word.isidentifier()}
    assert {"partition", "time", "memory", "cpus", "gpus", "qos", "account", "constraint"} <= keys
