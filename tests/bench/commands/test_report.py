"""What `bench report` and `bench run` print of the leaderboard, and when they write it anew."""

import logging
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench.commands.report import is_current, make_report, print_leaderboard
from bench.errors import BenchError
from bench.reporting.leaderboard import make_tables
from tests.bench.rundirs import measure_file, write_run

REFERENCE = Path(__file__).parents[3] / "results/reference/quick-bundled"


@pytest.fixture
def out(tmp_path):
    for name in ("leaderboard.csv", "leaderboard.md"):
        shutil.copy(REFERENCE / name, tmp_path)
    return tmp_path


@pytest.fixture
def terminal(capsys, monkeypatch):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    monkeypatch.setenv("COLUMNS", "120")


def test_on_a_pipe_it_is_the_page_for_people(out, capsys):
    print_leaderboard(out)
    assert capsys.readouterr().out == (out / "leaderboard.md").read_text() + "\n"


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_it_is_a_table_that_fits(out, capsys):
    table = pd.read_csv(out / "leaderboard.csv", keep_default_na=False, dtype=str)
    table.loc[0, "collapsed_seeds"], table.loc[1, "joint_coherence_low"], table.loc[2, "joint_coherence"] = "2", "", ""
    table.to_csv(out / "leaderboard.csv", index=False)
    print_leaderboard(out)
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert max(map(len, lines)) <= 120 + len(str(out))
    assert sum(line.startswith(tuple(table["method"])) for line in lines) == len(table)
    shown = [line for line in lines if line.startswith(tuple(table["method"]))]
    assert f"{float(table.loc[0, 'joint_coherence']):.3f} [" in shown[0]
    header, marked = (next(line for line in lines if word in line) for word in ("settings", "COLLAPSED"))
    assert header.index("joint") <= marked.index("COLLAPSED") < header.index("cross")
    assert shown[1].count("[") == 1  # that of cross coherence
    assert "absent" in shown[2]
    assert lines[-1].endswith("leaderboard.md")


@pytest.mark.usefixtures("terminal")
def test_without_a_row_it_is_the_page_that_says_so(out, capsys):
    pd.read_csv(out / "leaderboard.csv").head(0).to_csv(out / "leaderboard.csv", index=False)
    print_leaderboard(out)
    assert capsys.readouterr().out.startswith("# Leaderboard")


def test_tables_are_current_until_anything_changes_among_the_runs(tmp_path):
    run = write_run(tmp_path, "mmvae")
    assert not is_current(tmp_path)
    make_tables(tmp_path)
    assert is_current(tmp_path)
    later = (tmp_path / "leaderboard.md").stat().st_mtime_ns + 1_000_000
    for path in (measure_file(run, "joint"), run.parent):  # another number; a run more, or one less
        os.utime(path, ns=(later, later))
        assert not is_current(tmp_path)
        os.utime(path, ns=(0, 0))
        assert is_current(tmp_path)


def test_the_report_is_made_whatever_happens_to_a_figure(tmp_path, caplog, capsys, monkeypatch):
    from bench.reporting.figures import coherence

    def fail(*_):
        raise RuntimeError("no font")

    monkeypatch.setattr(coherence, "coherence_figure", fail)
    (write_run(tmp_path) / "history.csv").write_text("")
    with caplog.at_level(logging.WARNING, logger="bench"):
        assert make_report(tmp_path) == 0
    assert "| mmvae |" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "polymnist-bundled-quick-cross-coherence.pdf",
        "polymnist-bundled-quick-cross-coherence.png",
    ]
    messages = [record.message for record in caplog.records]
    assert any("coherence.png is left out: RuntimeError: no font" in message for message in messages)
    assert any("history.csv is empty: its curve is left out" in message for message in messages)


@pytest.mark.parametrize("name", ["leaderboard.csv", "measures.csv", "priors.csv", "leaderboard.md"])
def test_a_folder_in_place_of_a_table_is_told_in_a_sentence(tmp_path, name):
    write_run(tmp_path)
    (tmp_path / name / "mine").mkdir(parents=True)
    with pytest.raises(BenchError, match=rf"the tables cannot be written: .*{name}"):
        make_report(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_a_folder_of_figures_that_cannot_be_made_costs_the_figures(tmp_path, caplog, capsys):
    write_run(tmp_path)
    (tmp_path / "figures").write_text("a file")
    assert make_report(tmp_path) == 0
    assert caplog.text.count("is left out: NotADirectoryError") + caplog.text.count("FileExistsError") == 3
    assert (tmp_path / "leaderboard.md").exists()


def test_where_nothing_can_be_read_the_exit_code_says_so(tmp_path, capsys):
    run = write_run(tmp_path)
    (run / "provenance.json").write_text('{"half": ')
    assert make_report(tmp_path) == 1
    (run / "training.json").unlink()
    for file in (run / "measures").iterdir():
        file.unlink()
    assert make_report(tmp_path) == 0  # nothing is finished: an empty table is the whole truth


def test_without_a_finished_run_there_is_a_sentence_and_no_warning(tmp_path, caplog, capsys):
    """As after a time budget that ended in the first run, and again after the next one."""
    (write_run(tmp_path) / "training.json").unlink()
    for _ in range(2):
        assert make_report(tmp_path) == 0
        assert capsys.readouterr().out == "no run is finished yet: there are no tables\n"
    assert "of before" not in caplog.text
