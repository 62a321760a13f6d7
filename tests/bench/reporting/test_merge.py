import json
import os
import shutil
from pathlib import Path

import pytest

from bench.cli import main
from bench.errors import BenchError
from bench.reporting.merge import merge, survey
from evaluators.base import wilson
from tests.bench.rundirs import (
    config_of,
    edit_json,
    measure_file,
    with_intervals,
    write_history,
    write_measures,
    write_prior,
    write_real_run,
    write_run,
    write_set,
)

MMVAE, MOPOE = config_of("mmvae", "trainer.epochs=2"), config_of("mopoe", "trainer.epochs=2")


def write(out, config=MMVAE, seed=0, **values):
    run = write_real_run(out, config, seed, **values)
    write_prior(run, "flow", 0.8)
    (run / "checkpoint.pt").write_bytes(b"a model")
    (run / "samples_joint.png").write_bytes(b"a picture")
    (run / "lock").write_text("{}")
    return with_intervals(run)


def content(folder):
    """{file: bytes} of all that is below."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def told(capsys, *arguments):
    """Exit code, and what was printed."""
    code = main(["merge", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def problems_of(folder):
    return survey([folder]).problems


def test_runs_of_two_folders_are_in_one_and_the_sources_are_as_before(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    first, second = write(a), write(b, MOPOE)
    before = content(a), content(b)
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 0, printed
    assert "2 runs are in order; 0 problems" in printed
    assert (content(a), content(b)) == before
    for source, folder in ((first, a), (second, b)):
        expected = content(source)
        del expected["lock"]
        assert content(c / source.relative_to(folder)) == expected
    assert main(["report", "--out", str(c)]) == 0
    assert told(capsys, c, "--check")[0] == 0


def test_to_merge_again_changes_nothing(tmp_path, capsys):
    a, c = tmp_path / "a", tmp_path / "c"
    write(a)
    assert told(capsys, a, "--out", c)[0] == 0
    before = content(c)
    code, printed = told(capsys, a, "--out", c)
    assert code == 0
    assert "0 of them were copied" in printed
    assert content(c) == before


def test_a_run_that_two_folders_have_is_there_once(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    run = write(a)
    shutil.copytree(a, b)
    shutil.copytree(run, run.with_name("seed-0.bak"))
    edit_json(b / run.relative_to(a) / "provenance.json", "hardware", "host", value="another host")
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 0
    assert printed.count("is the same run as") == 2
    assert [path.name for path in c.glob("runs/*/*/*/*")] == ["seed-0"]
    (merged,) = c.glob("runs/*/*/*/*")
    assert json.loads((merged / "provenance.json").read_text())["hardware"]["host"] == "a host"


def test_what_was_measured_elsewhere_joins_the_same_run(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    run = write(a)
    shutil.copytree(a, b)
    file = write_measures(b / run.relative_to(a), "probes", probe_z=0.7)
    with_intervals(b / run.relative_to(a))
    assert told(capsys, a, "--out", c)[0] == 0
    assert not (c / run.relative_to(a) / "measures" / file.name).exists()
    assert told(capsys, b, "--out", c)[0] == 0
    assert (c / run.relative_to(a) / "measures" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("what", ["measure", "history", "prior", "parameters", "absent"])
def test_runs_that_contradict_each_other_are_refused_with_both_paths(tmp_path, capsys, what):
    a, b, c = (tmp_path / name for name in "abc")
    run = write(a)
    shutil.copytree(a, b)
    other = b / run.relative_to(a)
    if what == "measure":
        value = {"value": 0.55, **dict(zip(("low", "high"), wilson(0.55, 1000)))}
        tree = json.loads(measure_file(other, "joint").read_text())
        tree["measures"]["joint_coherence"] |= value
        measure_file(other, "joint").write_text(json.dumps(tree))
    elif what == "history":
        path = other / "history.csv"
        path.write_text(path.read_text().replace("899.5", "899.4"))
    elif what == "prior":
        (path,) = other.glob("priors/*.json")
        edit_json(path, "measures", "joint_coherence", "details", "more", value=1)
    elif what == "parameters":
        edit_json(other / "training.json", "parameters", value=1001)
    else:
        write_set(other, "cross", "there are no labels")
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 1
    assert f"{run} and {other} are the same run" in printed
    assert "contradict each other in" in printed
    assert not c.exists()
    assert told(capsys, a, b, "--check")[0] == 1


def test_how_often_a_run_was_measured_is_no_contradiction(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    settings = ["trainer.epochs=2", "trainer.validation=0.05"]
    write(a, config_of("mmvae", *settings))
    run = write(b, config_of("mmvae", *settings, "trainer.validate_every=2"))
    write_history(run, 2)
    code, printed = told(capsys, a, b, "--out", c)
    assert code == 0, printed
    assert len(list(c.glob("runs/*/*/*/*"))) == 1


def edited(file, *keys, value):
    def edit(run):
        (path,) = run.glob(file)
        edit_json(path, *keys, value=value)

    return edit


def replaced(file, old, new):
    def edit(run):
        (path,) = run.glob(file)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return edit


JOINT, CROSS = ("measures/joint@*", "measures", "joint_coherence"), ("measures/cross@*", "measures", "cross_coherence")


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (replaced("config.yaml", "epochs: 2", "epochs: 3"), "the settings have the hash"),
        (replaced("config.yaml", "latent_dim", "latent_size"), "so its hash cannot be checked"),
        (edited("provenance.json", "data", "fingerprint", value="e" * 64), "fingerprint is"),
        (edited("provenance.json", "data", "train", value=10**6), "steps, where 1000000 tuples"),
        (edited("provenance.json", "classifier_accuracy", "mean", value=1.2), "the classifiers' accuracy is 1.2"),
        (edited("training.json", "epochs", value=3), "3 epochs, and config.yaml has 2"),
        (edited("training.json", "seconds", value=-1), "takes time"),
        (edited("training.json", "seconds", value="ten"), "seconds should be a finite number"),
        (replaced("history.csv", "\n2,", "\n3,"), "its epochs are not 1 to 2"),
        (replaced("history.csv", "898.5", ""), "an epoch has no loss"),
        (replaced("history.csv", "898.5", "inf"), "is no table of numbers"),
        (lambda run: (run / "history.csv").unlink(), "history.csv is missing"),
        (lambda run: shutil.rmtree(run / "measures") or shutil.rmtree(run / "priors"), "has no measures"),
        (edited(*JOINT, "value", value=0.75), "is not within its interval"),
        (edited(*JOINT, "n", value=900), "is not the interval of 0.5 with n = 900"),
        (edited(*JOINT, "n", value=5000), "n is 5000, of 1000 samples"),
        (edited(*JOINT, "value", value=1.5), "1.5 is no proportion"),
        (edited(*JOINT, "details", value={"entropy": 2.0, "histogram": [5, 5]}), "is not that of the histogram"),
        (edited(*JOINT, "details", value={"attributes": {"a": {"entropy": 0, "histogram": "x"}}}), "of the histogram"),
        (edited(*CROSS, "details", "matrix", value=[[1, 0.5], [0.6, 1]]), "is not the mean of the matrix"),
        (edited(*CROSS, "details", "matrix", value="x"), "the matrix of its details has no numbers"),
        (edited("measures/joint@*", "evaluation", "batch_size", value=7), "evaluation and settings have the key"),
        (edited("priors/flow@*", "settings", value={"layers": 3}), "evaluation and settings have the key"),
    ],
)
def test_a_run_that_is_not_in_order_is_refused(tmp_path, capsys, edit, problem):
    edit(run := write(tmp_path / "a"))
    write(tmp_path / "a", MOPOE)
    code, printed = told(capsys, tmp_path / "a", "--out", tmp_path / "c")
    assert code == 1
    assert problem in printed
    assert str(run) in printed
    assert "1 runs are in order" in printed
    assert not (tmp_path / "c").exists()


def test_an_unfinished_run_in_the_way_is_a_problem_and_nothing_is_written(tmp_path, capsys):
    a, c = tmp_path / "a", tmp_path / "c"
    run, other = write(a), write(a, seed=1)
    unfinished = c / run.relative_to(a)
    unfinished.mkdir(parents=True)
    (unfinished / "history.csv").write_text("epoch,loss\n")
    code, printed = told(capsys, a, "--out", c)
    assert code == 1
    assert f"{unfinished} is in the way" in printed
    assert not (c / other.relative_to(a)).exists()


def test_links_are_not_followed(tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    run = write(tmp_path / "a")
    (run / "checkpoint.pt").unlink()
    (run / "checkpoint.pt").symlink_to(secret)
    (run / "samples_cross.png").symlink_to(secret)
    code, printed = told(capsys, tmp_path / "a", "--out", tmp_path / "c")
    assert code == 0
    assert "checkpoint.pt is a link, and is left out" in printed
    assert b"a secret" not in content(tmp_path / "c").values()
    history = run / "history.csv"
    shutil.move(history, tmp_path / "history.csv")
    history.symlink_to(tmp_path / "history.csv")
    code, printed = told(capsys, tmp_path / "a", "--check")
    assert code == 1
    assert "history.csv is a link" in printed


def test_a_folder_that_is_a_link_is_no_run(tmp_path, capsys):
    run = write(tmp_path / "a")
    elsewhere = tmp_path / "elsewhere"
    shutil.move(run, elsewhere)
    run.symlink_to(elsewhere, target_is_directory=True)
    code, printed = told(capsys, tmp_path / "a", "--check")
    assert (code, "is a link" in printed) == (1, True)


def test_nothing_is_written_outside_of_the_folder(tmp_path, capsys):
    write(tmp_path / "a")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "c" / "runs").mkdir(parents=True)
    (tmp_path / "c" / "runs" / "polymnist").symlink_to(outside, target_is_directory=True)
    code, printed = told(capsys, tmp_path / "a", "--out", tmp_path / "c")
    assert code == 1
    assert "a link, which would be followed" in printed
    assert list(outside.iterdir()) == []


def test_a_file_that_becomes_a_link_meanwhile_is_not_followed(tmp_path):
    run = write(tmp_path / "a")
    found = survey([tmp_path / "a"])
    (run / "history.csv").unlink()
    (run / "history.csv").symlink_to("/etc/hostname")
    with pytest.raises(BenchError, match="cannot be written"):
        merge(found.runs, tmp_path / "c")
    assert content(tmp_path / "c") == {}


def test_a_run_that_is_not_finished_is_left_out_with_a_note(tmp_path, capsys):
    write(tmp_path / "a")
    write_run(tmp_path / "a", "mvae", error={"kind": "diverged", "type": "Diverged", "message": "loss is nan"})
    code, printed = told(capsys, tmp_path / "a", "--check")
    assert code == 0
    assert "mvae/quick-0123abcd/seed-0 is not finished (failed), and is left out" in printed


def test_a_copied_run_goes_where_it_belongs(tmp_path, capsys):
    run = write(tmp_path / "a")
    run.parent.rename(run.parent.with_name("my best run"))
    assert told(capsys, tmp_path / "a", "--out", tmp_path / "c")[0] == 0
    assert (tmp_path / "c" / run.relative_to(tmp_path / "a") / "config.yaml").is_file()


def test_what_a_process_elsewhere_was_doing_is_not_copied(tmp_path, capsys):
    run = write(tmp_path / "a")
    (run / "status.json").write_text('{"state": "running", "pid": 1234}')
    assert told(capsys, tmp_path / "a", "--out", tmp_path / "c")[0] == 0
    assert not (tmp_path / "c" / run.relative_to(tmp_path / "a") / "status.json").exists()


def test_folders_without_runs_and_a_folder_into_itself_are_refused(tmp_path, capsys):
    run = write(tmp_path / "a")
    assert told(capsys, tmp_path / "none", "--check") == (
        3,
        f"bench: {tmp_path / 'none'} holds no runs: name a folder that `bench run --out` has filled\n",
    )
    for out in (tmp_path / "a", run.parent, tmp_path / "a" / "runs" / "new"):
        assert told(capsys, tmp_path / "a", "--out", out)[0] == 2
    (tmp_path / "file").touch()
    assert told(capsys, tmp_path / "a", "--out", tmp_path / "file")[0] == 2


def test_a_full_disk_is_told_in_a_sentence(tmp_path, capsys, monkeypatch):
    write(tmp_path / "a")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    code, printed = told(capsys, tmp_path / "a", "--out", tmp_path / "c")
    assert code == 1
    assert "No space left on device. What was copied before is whole" in printed
    assert content(tmp_path / "c") == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_a_problem(tmp_path):
    run = write(tmp_path / "a")
    run.parent.chmod(0)
    try:
        assert "cannot be read" in problems_of(tmp_path / "a")[0]
    finally:
        run.parent.chmod(0o700)


def test_the_committed_reference_results_are_in_order(capsys):
    results = Path(__file__).parents[3] / "results/reference/quick-bundled"
    assert main(["merge", "--check", str(results)]) == 0
    assert capsys.readouterr().out.endswith(" runs are in order; 0 problems\n")
