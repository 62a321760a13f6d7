"""`bench run`: what each run lacks, which runs are meant, and what a later `bench status` knows of them."""

import json
import signal
from types import SimpleNamespace

import pytest

from bench.cli import main
from bench.commands import executors
from bench.execution import dispatch, sequential, worker
from bench.execution.dispatch import Execution
from bench.execution.observer import Observer
from bench.runs.run import Run
from bench.runs.store import write_json
from evaluators import default_evaluators
from tests.bench.conftest import tiny_config
from tests.bench.rundirs import complete
from tests.bench.runs.hostile import put
from tests.conftest import BandClassifiers
from tests.toy import image_data

DRY = ["run", "--dataset", "polymnist", "--source", "bundled", "--preset", "smoke", "--methods", "mmvae", "--dry-run"]


@pytest.fixture
def polymnist(monkeypatch):
    """A dataset that is there at once, and says no more of itself than a plan needs."""
    data = image_data(m=5)
    source = SimpleNamespace(
        choose_source=lambda *_: "bundled", modalities=lambda *_: data.modalities, fingerprint=lambda *_: "f" * 64
    )
    from bench.config.folders import presets_folder

    source.presets = presets_folder("polymnist")
    # In this order: a module that is imported while the other is replaced would keep the replacement.
    for module in ("bench.api.running", "bench.datasets"):
        monkeypatch.setattr(f"{module}.dataset_source", lambda name: source)


def planned(capsys, out, *arguments):
    """(what is to do, the run's directory) of every line of the plan."""
    assert main([*DRY, "--out", str(out), *arguments]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return [(words[0], next(word for word in words if word.startswith(str(out)))) for words in lines]


def test_a_plan_says_what_each_run_lacks(polymnist, capsys, out):
    ((todo, path),) = planned(capsys, out)
    assert todo == "train"
    assert not out.exists()
    folder = out.__class__(path)
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").touch()
    assert planned(capsys, out) == [("resume", path)]
    complete(folder)
    assert planned(capsys, out) == [("evaluate", path)]
    from bench.config.evaluation import resolve_evaluation

    keys = resolve_evaluation("polymnist", "smoke", [])
    complete(folder, *(f"{name}@{keys.key('evaluators', name)}.json" for name in default_evaluators()))
    assert planned(capsys, out) == [("skip", path)]
    # Another evaluation is no other run: it is measured again, and not trained.
    assert planned(capsys, out, "--set", "evaluation.samples=77") == [("evaluate", path)]
    assert planned(capsys, out, "--force") == [("train", path)]
    assert planned(capsys, out, "--set", "beta=3")[0][0] == "train"
    put(folder / "training.json", "fifo")
    assert planned(capsys, out) == [("resume", path)]


def test_settings_that_some_methods_do_not_have_are_told(polymnist, capsys, out):
    arguments = [*DRY, "--out", str(out), "--set", "prior.steps=7", "--sweep", "trainer.lr=1e-3,5e-4"]
    arguments[arguments.index("mmvae")] = "mmvae,ebm-base"
    assert main(arguments) == 0
    output, errors = capsys.readouterr()
    assert len(output.splitlines()) == 4
    assert errors == "bench: prior.steps=7 does not apply to mmvae\n"


def test_validate_is_short_for_a_setting(polymnist, capsys, out):
    plans = [
        planned(capsys, out, *arguments)
        for arguments in (
            ["--validate"],
            ["--validate", "--validate"],
            ["--set", "trainer.validation=0.05"],
            ["--validate", "--set", "trainer.validation=5e-2"],
            [],
        )
    ]
    assert all(plan == plans[0] for plan in plans[:4])
    assert plans[4] != plans[0]
    assert main([*DRY, "--out", str(out), "--validate"]) == 0
    assert capsys.readouterr().out.split()[-1] == "trainer.validation=0.05"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "trainer.validation=0.1"], "--validate is --set trainer.validation=0.05, and 0.1 is set as well"),
        (["--set", "trainer.validation=0"], "and 0 is set as well: keep one of them"),
        (["--set", "trainer.validation=null"], "and None is set as well: keep one of them"),
        (["--sweep", "trainer.validation=0,0.05"], "--validate and --sweep trainer.validation=…: keep one of them"),
    ],
)
def test_validate_beside_another_share_is_refused(polymnist, capsys, out, arguments, message):
    assert main([*DRY, "--out", str(out), "--validate", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_more_runs_than_a_command_takes_are_refused_before_anything_is_done(polymnist, capsys, monkeypatch, out):
    monkeypatch.setattr("bench.api.running.MOST_RUNS", 5)
    assert main([*DRY, "--out", str(out), "--seeds", "0-5"]) == 2
    assert "6 runs are asked for, and one command takes 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--executor", "slrum"], "did you mean 'slurm'"),
        (["--jobs", "0"], "1 to 1024"),
        (["--jobs", "100000"], "1 to 1024"),
        (["--cluster", "cluster.yaml"], "--cluster does not go with --executor local"),
        (["--wait"], "--wait does not go with --executor local"),
        (["--executor", "slurm", "--jobs", "2"], "array_parallelism"),
        (["--executor", "slurm", "--time-budget", "1h"], "--time-budget does not go with --executor slurm"),
        (["--executor", "slurm", "--fail-fast"], "--fail-fast does not go with --executor slurm"),
        (["--executor", "slurm", "--cluster", "none.yaml", "--dry-run"], "none.yaml"),
        (["--out", "x" * 300, "--dry-run"], "File name too long"),
    ],
)
def test_options_that_are_not_possible_are_explained(polymnist, capsys, arguments, message):
    assert main(["run", "--methods", "mmvae", "--dataset", "polymnist", *arguments]) != 0
    assert message in capsys.readouterr().err


# What was asked for and not started


@pytest.fixture
def runs(out):
    return [Run(tiny_config("mmvae", "trainer.epochs=1"), seed, out) for seed in range(3)]


@pytest.fixture
def quick(monkeypatch):
    """Runs that take no time: the first call is told a signal, and every one leaves a finished run."""

    def execute(run, data, classifiers, *, stop, **_):
        complete(run.path, *(run.measure_file(name).name for name in default_evaluators()))
        write_json(run.status_file, {"state": "done"})
        signal.raise_signal(signal.SIGTERM)
        return "done"

    monkeypatch.setattr(sequential, "execute", execute)
    monkeypatch.setattr(worker, "prepare", lambda order, message: (image_data(), BandClassifiers()))


def test_runs_that_were_asked_for_and_not_started_are_planned(runs, quick, out):
    how = Execution(out, out, device="cpu", jobs=1)
    assert list(dispatch.dispatch(runs, how).values()) == ["done", "interrupted", "interrupted"]
    assert [seen.state for seen in Observer(out).look()] == ["done", "queued", "queued"]  # this process is alive
    (record,) = out.glob("jobs/*/submission.json")
    tree = json.loads(record.read_text())
    assert [job["log"] for job in tree["jobs"]] == [None]
    write_json(record, {**tree, "process_started": "long ago"})
    assert [seen.state for seen in Observer(out).look()] == ["done", "planned", "planned"]


def test_what_is_finished_leaves_no_word(runs, quick, out):
    how = Execution(out, out, device="cpu", jobs=1)
    dispatch.dispatch(runs[:1], how)
    assert list(dispatch.dispatch(runs[:1], how).values()) == ["done"]
    assert len(list(out.glob("jobs/*"))) == 1


# The tables


@pytest.mark.parametrize(("outcome", "code"), [("done", 0), ("failed", 1), ("partial", 75), ("interrupted", 130)])
def test_tables_are_made_whatever_the_runs_outcomes(monkeypatch, capsys, out, outcome, code):
    made = []
    monkeypatch.setattr(executors, "make_report", lambda folder: made.append(folder) or 0)
    assert executors.conclude({outcome}, out) == code
    assert made == [out]
    assert ("the same command (without --force) resumes" in capsys.readouterr().err) == (code > 1)


def test_jobs_that_others_execute_have_no_tables_yet(monkeypatch, out):
    monkeypatch.setattr(executors, "make_report", lambda folder: pytest.fail("made"))
    assert executors.conclude(None, out) == 0


def test_tables_that_cannot_be_written_do_not_hide_that_the_runs_are_safe(monkeypatch, capsys, out):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(executors, "make_report", full)
    with pytest.raises(executors.BenchError, match=r"The runs are in .*runs; `bench report"):
        executors.conclude({"done"}, out)
