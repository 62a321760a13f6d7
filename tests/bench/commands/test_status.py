"""`bench status`: what is shown, and to whom."""

import dataclasses
import json
import subprocess
import sys
import time

import pytest

from bench.commands import status
from bench.execution.observer import Observation
from bench.runs.lock import claim
from bench.runs.store import write_json
from tests.bench.execution.folders import (
    HERE,
    NOBODY,
    OTHER,
    PROGRESS,
    RUN,
    finish,
    instead_of_sleep,
    run_bench,
    squeue_says,
    states,
    submit,
    write_status,
)


def test_a_run_at_work_shows_how_far_it_is(out, capsys):
    write_status(out, "running", ago=3, **PROGRESS)
    with claim(out / RUN / "lock"):
        assert run_bench("status", "--out", out) == 0
    header, row, *rest = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "state", "epoch", "own", "loss", "samples/s", "left", "host", "updated"]
    assert row.split() == [RUN.removeprefix("runs/"), "running", "2/6", "612.5", "2210", "1:05", HERE, "0:03", "ago"]
    assert rest[-1] == "1 run: 1 running"


def test_the_json_has_every_field_of_every_run(out, tools, capsys):
    error = {"kind": "diverged", "type": "Diverged", "message": "nan", "traceback": "…"}
    write_status(out, "failed", job="7", **PROGRESS, error=error)
    submit(out, ("12_0", [OTHER]), ago=5)
    squeue_says(tools, "12_0 PENDING Priority")
    assert run_bench("status", "--json", "--out", out) == 0
    failed, queued = json.loads(capsys.readouterr().out)
    assert abs(failed.pop("updated") - time.time() + 100) < 60
    assert failed == {
        **{"run": RUN, "dataset": "polymnist", "method": "mmvae", "preset": "quick", "config": "0123abcd"},
        **{"settings": "", "seed": 0, "state": "failed", "reason": None, "epoch": 2, "epochs": 6, "loss": 612.5},
        **{"samples_per_second": 2210.4, "seconds_left": None, "job": "7", "host": HERE, "pid": NOBODY},
        **{"log": None, "error": {"kind": "diverged", "message": "nan"}},
    }
    assert queued.keys() == failed.keys() | {"updated"}
    assert (queued["state"], queued["job"], queued["host"], queued["log"]) == ("queued", "12_0", None, "jobs/a/0.log")
    assert queued["reason"] == "jobs of a higher priority come first (Priority)"


def test_the_help_explains_every_field_and_state(capsys):
    with pytest.raises(SystemExit):
        run_bench("status", "--help")
    text = capsys.readouterr().out
    assert all(field.name in text for field in dataclasses.fields(Observation))
    assert all(f"\n  {state} " in text for state in ("planned", "damaged", "lost", "queued?", "requeued", "partial"))


def test_failed_runs_tell_their_cause_in_a_line(out, capsys):
    error = {"kind": "storage", "type": "OSError", "message": "no room [left]\non the \x1b[31mdisk"}
    write_status(out, "failed", error=error)
    assert run_bench("status", "--out", out) == 0
    assert f"{RUN}: storage: no room [left] on the \\x1b[31mdisk\n" in capsys.readouterr().out


def test_why_jobs_wait_is_said_once_for_all_of_them(out, tools, capsys):
    runs = [RUN.replace("seed-0", f"seed-{seed}") for seed in range(5)]
    submit(out, *[(f"12_{seed}", [run]) for seed, run in enumerate(runs)])
    squeue_says(tools, "\n".join(f"12_{seed} PENDING QOSMaxMemoryPerJob" for seed in range(5)))
    assert run_bench("status", "--out", out) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("QOSMaxMemoryPerJob") == 1
    assert f"{RUN} and 4 more: queued: " in shown
    assert "change `memory` in the cluster file" in shown


def test_what_a_name_of_a_folder_would_do_to_a_terminal_it_does_not(out, capsys):
    finish(out, RUN.replace("mmvae", "\x1b[31mmmvae"))
    finish(out)
    assert run_bench("status", "--out", out) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[31mmmvae" in shown


def test_damaged_records_are_named_on_stderr_and_the_rest_is_shown(out, capsys):
    finish(out)
    submit(out, ("12", [OTHER]))
    (out / "jobs" / "a" / "submission.json").write_text("")
    assert run_bench("status", "--json", "--out", out) == 0
    output, errors = capsys.readouterr()
    assert [run["run"] for run in json.loads(output)] == [RUN]
    assert "submission.json is left out" in errors


def test_numbers_of_any_size_are_shown(out, capsys):
    write_status(out, "failed", loss=1e299, epoch=2**62, epochs=2**62, updated=-1e299, samples_per_second=-5)
    assert run_bench("status", "--out", out) == 0
    assert "1e+299" in capsys.readouterr().out


def test_an_empty_folder_is_missing_data(out, capsys):
    for command in (["status"], ["cancel"], ["logs", "mmvae"], ["retry", "--failed"]):
        assert run_bench(*command, "--out", out) == 3
        assert "neither runs nor submissions" in capsys.readouterr().err


def test_to_ask_for_the_status_imports_no_torch(out):
    """Also where runs of two configurations are told apart."""
    for run in (RUN, RUN.replace("0123", "4567")):
        write_status(out, "done", run=run)
        names = {"method": "mmvae", "dataset": "polymnist", "source": "bundled", "preset": "quick"}
        names["fingerprint"] = "f" * 64
        config = {**names, "model": {"beta": int(run[28])}, "trainer": {"epochs": 1}, "modalities": {}}
        write_json(out / run / "config.yaml", config)
    code = "import sys; from bench.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "status", "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "beta=" in result.stdout
    assert result.stdout.splitlines()[-1] == "False"


def test_watching_ends_when_all_runs_have(out, monkeypatch, capsys):
    write_status(out, "requeued")
    finish(out, OTHER)
    seen = []

    def wait(seconds):
        seen.append(states(out))
        write_status(out, "failed", error={"kind": "error", "type": "ValueError", "message": "why"})

    instead_of_sleep(monkeypatch, status, wait)
    assert run_bench("status", "--watch", "--out", out) == 0
    assert seen == [["requeued", "done"]]
    shown = capsys.readouterr().out
    assert f"{RUN}: error: why" in shown
    assert shown.count("updated") == 2


def test_a_pipe_has_every_look_of_watching_at_once(out, tmp_path):
    write_status(out, "requeued")
    finish(out, OTHER)
    command = [sys.executable, "-m", "bench", "status", "--watch", "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        header, *rows = [process.stdout.readline() for _ in range(5)]
    finally:
        process.kill()
        process.communicate()
    assert header.split()[:2] == ["run", "state"]
    assert rows[-1] == "2 runs: 1 requeued, 1 done\n"


def test_a_pipe_has_every_line_at_once():
    """Whatever prints it: pipes are buffered by blocks otherwise."""
    code = """
import sys, time
from types import SimpleNamespace
from bench import cli
options = SimpleNamespace(command=lambda _: print("said") or time.sleep(99))
cli.parser = lambda: SimpleNamespace(parse_args=lambda _: options)
cli.main([])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "said\n"
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_watching_with_exit_code_0(out, monkeypatch, capsys):
    write_status(out, "requeued")

    def wait(seconds):
        raise KeyboardInterrupt

    instead_of_sleep(monkeypatch, status, wait)
    assert run_bench("status", "--watch", "--out", out) == 0
    assert "1 run: 1 requeued" in capsys.readouterr().out
