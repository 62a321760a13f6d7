import pytest

from bench.commands.report import make_report
from bench.errors import UsageError
from bench.reporting.changes import changed_settings, settings_of, shared_likelihoods, without
from methods import METHODS
from tests.bench.rundirs import config_of, write_real_run


def tree_of(*arguments):
    return config_of(*arguments).as_dict()


@pytest.mark.parametrize("method", METHODS)
def test_a_preset_has_no_changed_settings_itself(method):
    assert changed_settings(tree_of(method)) == []


def test_settings_of_the_evaluation_change_no_run():
    assert changed_settings(tree_of("mmvae", "evaluation.samples=100")) == []


def test_held_out_tuples_are_a_setting():
    assert settings_of(tree_of("mmvae", "trainer.validation=0.05")) == "trainer.validation=0.05"


def test_likelihoods_and_priors_are_settings():
    tree = tree_of("mmvae", "modalities.m0.weight=2", "prior=normal")
    assert settings_of(tree).split() == ["prior=normal", "modalities.m0.weight=2.0"]


def test_settings_that_came_and_went_with_the_code():
    tree = tree_of()
    del tree["model"]["beta"]
    assert changed_settings(tree) == []
    tree["model"]["gone"] = 1
    assert changed_settings(tree) == ["gone=1"]


@pytest.mark.parametrize(
    "other",
    [
        {"method": "of a plug-in"},
        {"dataset": "nowhere"},
        {"preset": "nightly"},
        {"modalities": {"m0": 3}},
    ],
)
def test_what_this_version_does_not_have_is_said_in_words(other):
    tree = {**tree_of(), **other}
    assert settings_of(tree)
    assert settings_of({**tree, "method": "mopo"}) == "(of another version)"
    with pytest.raises(UsageError):
        changed_settings({**tree, "method": "mopo"})


def test_likelihoods_that_all_rows_have_are_told_once():
    rows = ["beta=2 modalities.sums.scale=0.5 modalities.m.weight=2", "beta=2 modalities.sums.scale=0.5"]
    shared = shared_likelihoods(rows)
    assert shared == ["modalities.sums.scale=0.5"]
    assert [without(row, shared) for row in rows] == ["beta=2 modalities.m.weight=2", "beta=2"]
    assert shared_likelihoods([]) == []
    assert shared_likelihoods([*rows, ""]) == []


def test_the_tables_tell_them_once(tmp_path, capsys):
    for method in ("mmvae", "mopoe"):
        write_real_run(tmp_path, config_of(method, "modalities.m0.scale=0.5", preset="quick", source="bundled"))
    make_report(tmp_path)
    said = capsys.readouterr().out
    assert said.count("modalities.m0.scale=0.5") == 1
    assert "Likelihoods of all rows: modalities.m0.scale=0.5." in said
    board = (tmp_path / "report.html").read_text().partition("<tbody")[2].partition("</tbody>")[0]
    assert "scale" not in board
