"""Links among runs that are merged: none is followed, and nothing is written where one leads."""

import shutil

import pytest

from bench.errors import BenchError
from bench.reporting.merge import merge, survey
from tests.bench.reporting.merging import content, told, write


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
