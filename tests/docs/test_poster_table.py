"""The poster's table in the reference's README is made of the committed runs."""

import pytest

from tests.docs.blocks import load_script


@pytest.fixture(scope="module")
def script():
    return load_script("poster_table")


def test_it_is_what_the_committed_leaderboard_says(script):
    assert script.table_in(script.README.read_text()) == script.table(), "python scripts/poster_table.py writes it"


def test_each_row_has_the_published_value_of_its_own_method(script):
    published = {row["method"]: (row["joint_coherence_poster"], row["cross_coherence_poster"]) for row in script.rows()}
    assert published["ebm-base"] == (0.746, 0.853)
    assert len(published) == len(script.rows())


def test_an_interval_takes_several_seeds(script):
    row = {"seeds": 1, "joint_coherence": "0.5", "joint_coherence_low": "0.4", "joint_coherence_high": "0.6"}
    assert script.cell(row, "joint_coherence") == "0.500"
    assert script.cell({**row, "seeds": 3}, "joint_coherence") == "0.500 [0.400, 0.600]"
