"""`bench logs`: what the latest job of a run has printed, and no other file."""

import os

import pytest

from bench.commands import logs
from tests.bench.execution.folders import (
    OTHER,
    RUN,
    finish,
    instead_of_sleep,
    run_bench,
    squeue_says,
    submit,
    write_status,
)
from tests.bench.runs.hostile import put


@pytest.fixture
def log(out, tools):
    """The log of the run's job, which has another run as well."""
    submit(out, ("12", [RUN, OTHER]))
    return out / "jobs" / "a" / "0.log"


def test_logs_prints_what_the_latest_job_of_the_run_has_printed(out, tools, capsys):
    submit(out, ("12", [OTHER]), ("13", [RUN]))
    (out / "jobs" / "a" / "1.log").write_text("epoch 1\nepoch 2\n")
    assert run_bench("logs", "mmvae", "--out", out) == 0
    assert capsys.readouterr().out == "epoch 1\nepoch 2\n"
    assert run_bench("logs", "mmvaeplus", "--out", out) == 3
    assert "0.log is not there yet: the run is queued?" in capsys.readouterr().err


def test_one_run_that_has_a_log_is_expected(out, capsys):
    for run in (RUN, OTHER):
        finish(out, run)
    assert run_bench("logs", "polymnist", "--out", out) == 2
    assert f"names 2 runs; name one of:\n  {RUN}\n  {OTHER}" in capsys.readouterr().err
    assert run_bench("logs", "mmvae", "--out", out) == 3
    assert "has no log" in capsys.readouterr().err
    submit(out, (None, [RUN]), executor="local", log=None)
    assert run_bench("logs", "mmvae", "--out", out) == 3
    assert "`bench run` itself" in capsys.readouterr().err


def test_following_goes_on_until_the_runs_of_the_job_have_ended(out, log, tools, monkeypatch, capsys):
    squeue_says(tools, "12 RUNNING")
    written = iter(["one\n", "two é\n", "three\n"])
    ends = {"two é\n": RUN, "three\n": OTHER}

    def wait(seconds):
        text = next(written)
        with log.open("a") as file:
            file.write(text)
        if text in ends:
            write_status(out, "interrupted", run=ends[text], ago=0)

    monkeypatch.setattr(logs, "SECONDS_BETWEEN_LOOKS", -1.0)
    instead_of_sleep(monkeypatch, logs, wait)
    assert run_bench("logs", "mmvae", "--follow", "--out", out) == 0
    assert capsys.readouterr().out == "one\ntwo é\nthree\n"
    log.unlink()
    assert run_bench("logs", "mmvae", "--follow", "--out", out) == 3


def test_ctrl_c_ends_following_with_exit_code_0(out, log, monkeypatch):
    def wait(seconds):
        raise KeyboardInterrupt

    instead_of_sleep(monkeypatch, logs, wait)
    assert run_bench("logs", "mmvae", "--follow", "--out", out) == 0


def test_what_a_log_would_do_to_a_terminal_it_does_not(out, log, capsys):
    log.write_bytes(b"\x1b]0;title\x07one\r\ntwo\xff\n")
    assert run_bench("logs", "mmvae", "--out", out) == 0
    assert capsys.readouterr().out == "\\x1b]0;title\\x07one\\r\ntwo�\n"


@pytest.mark.parametrize("target", ["/etc/hostname", "../../runs", "../b/0.log"])
@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_a_link_leads_to_no_other_file(out, log, tmp_path, capsys, target, follow):
    (out / "jobs" / "b").mkdir()
    (out / "jobs" / "b" / "0.log").write_text("another's")
    log.symlink_to(target)
    assert run_bench("logs", "mmvae", *follow, "--out", out) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert "leads out of" in errors


@pytest.mark.parametrize("path", ["/etc/hostname", "jobs/../../../etc/hostname", "jobs/b/0.log", "runs/x"])
def test_a_record_of_another_file_is_left_out(out, capsys, path):
    write_status(out, "failed")
    submit(out, ("12", [RUN]), log=path)
    assert run_bench("logs", "mmvae", "--out", out) == 3
    output, errors = capsys.readouterr()
    assert output == ""
    assert "log cannot be" in errors


@pytest.mark.parametrize("what", ["folder", "fifo"])
@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_what_is_no_file_is_explained_and_blocks_nobody(out, log, capsys, what, follow):
    put(log, what)
    assert run_bench("logs", "mmvae", *follow, "--out", out) == 3
    assert "not a regular file" in capsys.readouterr().err


def test_a_log_that_may_not_be_read_is_explained(out, log, monkeypatch, capsys):
    log.touch()
    opened = os.open

    def refuse(path, *arguments, **options):
        if str(path) == str(log):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert run_bench("logs", "mmvae", "--out", out) == 3
    assert "cannot be read (Permission denied)" in capsys.readouterr().err
