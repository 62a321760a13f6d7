import math

import pytest

from bench.runs.history import read_history
from bench.runs.reading import Unreadable


def read(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    return read_history(tmp_path / "history.csv")


@pytest.mark.parametrize("text", ["epoch,loss,late\n1,2.5,\n2,1.5,0.25\n", "epoch,loss,late\n1,2.5,\n2,1.5,0.25"])
def test_a_term_need_not_be_in_every_row(tmp_path, text):
    history = read(tmp_path, text)
    assert (history.epochs, history.terms["loss"]) == ([1, 2], [2.5, 1.5])
    assert math.isnan(history.terms["late"][0])
    assert history.terms["late"][1] == 0.25


def test_a_term_may_be_in_no_row(tmp_path):
    assert list(map(math.isnan, read(tmp_path, "epoch,late\n1,\n2,\n").terms["late"])) == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,loss\n1\n", "rows that do not fit its header"),
        ("epoch,loss\n1,2,3\n", "rows that do not fit its header"),
        ("epoch,loss\n,2\n", "no table of numbers"),
        ("epoch,loss\n1,inf\n", "no table of numbers"),
        ("epoch,loss\n1,x\n", "no table of numbers"),
        ("loss\n1\n", "no table of numbers"),
        ("epoch,loss\n", "has no row"),
        ("", "is empty"),
    ],
)
def test_what_is_no_history_says_why(tmp_path, text, message):
    with pytest.raises(Unreadable, match=message):
        read(tmp_path, text)
