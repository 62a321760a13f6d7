"""Runs whose numbers are not possible, or do not follow from what is stored beside them, are not in order."""

import shutil
from pathlib import Path

import pytest

from bench.cli import main
from tests.bench.reporting.merging import MOPOE, told, write
from tests.bench.rundirs import edit_json


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


def test_the_committed_reference_results_are_in_order(capsys):
    results = Path(__file__).parents[3] / "results/reference/quick-bundled"
    assert main(["merge", "--check", str(results)]) == 0
    assert capsys.readouterr().out.endswith(" runs are in order; 0 problems\n")
