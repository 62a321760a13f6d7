"""`bench tensorboard`."""

import builtins
import sys

import pytest

from bench.cli import main
from tests.bench.execution.folders import OTHER, RUN


def history(out, run, text="epoch,seconds,loss\n1,2.0,3.0\n"):
    (out / run).mkdir(parents=True)
    (out / run / "history.csv").write_text(text)


def test_every_run_with_a_history_has_a_folder(out, capsys):
    history(out, RUN)
    history(out, OTHER, "no history")
    (out / "runs" / "polymnist" / "mopoe" / "quick-01234567" / "seed-0").mkdir(parents=True)  # has just started
    assert main(["tensorboard", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert f"1 runs in {out / 'tensorboard'}" in printed.out
    assert f"{OTHER.removeprefix('runs/')} is left out: history.csv" in printed.err
    assert len(list((out / "tensorboard").rglob("events.out.tfevents.*"))) == 1


def test_the_folder_can_be_chosen(out, tmp_path):
    history(out, RUN)
    assert main(["tensorboard", "--out", str(out), "--logdir", str(tmp_path / "log")]) == 0
    assert len(list((tmp_path / "log" / RUN.removeprefix("runs/")).iterdir())) == 1


def test_without_a_run_or_a_readable_one_it_says_so(out, capsys):
    assert main(["tensorboard", "--out", str(out)]) == 3
    history(out, RUN, "no history")
    assert main(["tensorboard", "--out", str(out)]) == 1


def test_without_the_package_the_command_that_installs_it_is_named(out, monkeypatch, capsys):
    history(out, RUN)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name, *arguments):
        if name.partition(".")[0] == "tensorboard":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["tensorboard", "--out", str(out)]) == 2
    assert "pip install" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_place_that_cannot_be_written_is_named(out, tmp_path, capsys, what):
    history(out, RUN)
    place = tmp_path / "place"
    if what == "file":
        place.write_text("")
    else:
        (place / RUN.removeprefix("runs/")).parent.mkdir(parents=True)
        (place / RUN.removeprefix("runs/")).write_text("")
    assert main(["tensorboard", "--out", str(out), "--logdir", str(place)]) == (2 if what == "file" else 1)
    assert str(place) in capsys.readouterr().err
