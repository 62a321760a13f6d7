"""`bench evaluate`: what is said while it works, and how it ends."""

from types import SimpleNamespace

import pytest

from bench.cli import main
from bench.commands import evaluate
from bench.config.folders import presets_folder
from bench.errors import BenchError, DataMissing
from bench.execution import additions
from bench.execution.additions import Additions
from bench.runs.run import Run
from tests.bench.conftest import tiny_config
from tests.conftest import BandClassifiers
from tests.toy import image_data

COMMAND = ["evaluate", "here", "--prior", "mixture,flow", "--evaluators", "probes"]


@pytest.fixture
def runs(tmp_path):
    """Of one method and seed, with two settings."""
    return [Run(tiny_config("mmvae", f"beta={beta}"), 0, tmp_path / "out") for beta in (1.0, 2.0)]


@pytest.fixture
def reported(monkeypatch, runs):
    """The runs are found, on data that are there at once, and the tables are only noted."""
    found = []
    source = SimpleNamespace(load=lambda *_: image_data(), presets=presets_folder("polymnist"))
    monkeypatch.setattr("bench.datasets.dataset_source", lambda name: source)
    monkeypatch.setattr("bench.evaluation.finding.find_runs", lambda paths, warn: runs)
    monkeypatch.setattr("bench.evaluation.classifiers.classifiers", lambda data, say: BandClassifiers())
    monkeypatch.setattr(evaluate, "make_report", found.append)
    return found


@pytest.fixture
def adding(monkeypatch):
    """Replaces what adds to a run."""

    def use(add):
        monkeypatch.setattr(
            "bench.evaluation.finished.evaluate_run", lambda run, e, task, data, c, told: add(run, task, told)
        )

    return use


def add_all(run, task, told):
    for name in task.names:
        told.begin(run, name)
        told.end(run, name, "joint coherence 0.892")


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_each_addition_is_told_before_it_is_made_and_after(runs, reported, adding, capsys):
    said = []

    def add(run, task, told):
        said.append(capsys.readouterr().err)
        for name in task.names:
            told.begin(run, name)
            said.append(capsys.readouterr().err)
            told.end(run, name, "joint coherence 0.892")
            said.append(capsys.readouterr().err)

    adding(add)
    assert main(COMMAND) == 0
    one, other = (f"mmvae seed 0 ({run.config.hash})" for run in runs)
    assert said[0] == "2 runs on toy (bundled), each with: probes, prior mixture, prior flow\n"
    assert said[1] == f"{one}, probes: started (0 of 6 done, 0:00 elapsed)\n"
    assert said[2] == f"{one}, probes: joint coherence 0.892, 0 s\n"
    assert said[3] == f"{one}, prior mixture: started (1 of 6 done, 0:00 elapsed, about 10 s left)\n"
    assert said[-1] == f"{other}, prior flow: joint coherence 0.892, 0 s\n"
    assert reported == [runs[0].out]


def test_the_estimate_is_by_what_an_addition_of_the_same_name_took(runs, monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(additions.time, "monotonic", lambda: now[0])
    screen = Additions("normal", runs, ["prior flow", "probes"])
    for name, seconds in (("prior flow", 100), ("probes", 20)):
        screen.begin(runs[0], name)
        now[0] += seconds
        screen.end(runs[0], name, "there")
    screen.begin(runs[1], "prior flow")
    assert lines(capsys)[-1].endswith("prior flow: started (2 of 4 done, 2:00 elapsed, about 2 min left)")
    now[0] += 90
    assert screen._far() == "2 of 4 done, 3:30 elapsed, about 30 s left"
    screen.leave(runs[1])
    assert screen._far() == "2 of 4 done, 3:30 elapsed, about 10 s left"


def test_a_terminal_has_a_bar(runs):
    from rich.console import Console

    screen = Additions("normal", runs, ["prior flow"])
    screen.current, screen.done = (runs[0], "prior flow"), 1
    console = Console(width=120)
    with console.capture() as shown:
        console.print(screen)
    assert "prior flow: 0:00" in shown.get()
    assert "1 of 2 done, 0:00 elapsed" in shown.get()
    assert "━" in shown.get()


def test_ctrl_c_says_what_is_kept(reported, adding, capsys):
    def add(run, task, told):
        raise KeyboardInterrupt

    adding(add)
    assert main(COMMAND) == 130
    assert lines(capsys)[-1] == (
        "bench: interrupted; what is finished is kept, and the same command (without --force) does the rest"
    )
    assert reported == []


def test_missing_data_are_the_last_word_and_the_exit_code(reported, monkeypatch, capsys):
    def load(source, root):
        raise DataMissing(f"{root}/dataset.yaml is missing")

    source = SimpleNamespace(load=load, presets=presets_folder("polymnist"))
    monkeypatch.setattr("bench.datasets.dataset_source", lambda name: source)
    assert main(COMMAND) == 3
    assert lines(capsys)[-1] == "bench: data/dataset.yaml is missing"
    assert reported == []


def test_what_could_not_be_evaluated_is_said_again_after_the_tables(runs, reported, adding, capsys):
    def add(run, task, told):
        if run == runs[0]:
            raise BenchError("its checkpoint is damaged")
        add_all(run, task, told)

    adding(add)
    assert main(COMMAND) == 1
    assert lines(capsys)[-1] == "bench: not everything could be evaluated: its checkpoint is damaged"
    assert reported == [runs[0].out]


def test_where_nothing_could_be_evaluated_there_are_no_tables(reported, adding, capsys):
    def add(run, task, told):
        raise BenchError("its checkpoint is damaged")

    adding(add)
    assert main(COMMAND) == 1
    assert lines(capsys)[-1] == "bench: its checkpoint is damaged"
    assert reported == []
