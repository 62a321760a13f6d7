"""What `bench report` and `bench run` print of the leaderboard."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench.commands.report import print_leaderboard

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
