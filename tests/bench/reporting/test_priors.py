"""The table of priors: a row for each origin of z of each run, and its share of the gap."""

import math

import pandas as pd
import pytest

from bench.reporting import priors
from bench.reporting.leaderboard import leaderboard, make_tables
from bench.reporting.models import base_method, has_base
from bench.reporting.priors import COLUMNS, gap_closed
from bench.reporting.rows import read_runs
from tests.bench.reporting.leaderboards import page
from tests.bench.reporting.prior_tables import records, table_of, write_energy_run
from tests.bench.rundirs import (
    edit_json,
    joint_measures,
    measure_file,
    write_gaps,
    write_measures,
    write_prior,
    write_run,
    write_set,
)


def test_a_model_with_an_energy_has_a_row_for_each_origin_of_z(tmp_path):
    run = write_energy_run(tmp_path)
    write_prior(run, "mixture", 0.7)
    write_prior(run, "bootstrap", 0.9)
    table = table_of(tmp_path)
    assert table.columns.tolist() == COLUMNS
    assert sorted(table[["role", "prior", "joint_coherence"]].values.tolist()) == [
        ["fitted", "mixture", 0.7],
        ["reference", "bootstrap", 0.9],
        ["reference", "held-out aggregate", 0.8],
        ["reference", "p0", 0.3],
        ["trained", "energy", 0.6],
    ]
    assert set(table["trained_prior"]) == {"energy"}


def test_a_prior_without_energy_is_its_own_p0_and_has_one_row(tmp_path):
    write_run(tmp_path, "mmvae", joint=0.6)
    assert table_of(tmp_path)[["role", "prior"]].values.tolist() == [
        ["trained", "laplace"],
        ["reference", "held-out aggregate"],
    ]


def test_the_gap_is_that_of_the_run_and_its_share_is_as_by_hand(tmp_path):
    run = write_energy_run(tmp_path, joint=0.6, floor=0.3, top=0.8)
    write_prior(run, "mixture", 0.7)  # whose file has other values for floor and top
    closed = table_of(tmp_path).set_index("prior")["gap_closed"]
    assert closed.to_dict() == pytest.approx({"p0": 0, "energy": 0.6, "mixture": 0.8, "held-out aggregate": 1})


def test_where_there_is_no_gap_none_is_closed(tmp_path):
    write_prior(write_energy_run(tmp_path, floor=0.5, top=0.5), "mixture", 0.7)
    assert table_of(tmp_path)["gap_closed"].isna().all()


def test_an_own_prior_that_is_p0_closes_no_gap_and_a_fitted_one_does(tmp_path):
    write_prior(write_run(tmp_path, "mmvae", joint=0.6), "mixture", 0.45)  # p0 0.3, aggregate 0.6
    closed = table_of(tmp_path).set_index("prior")["gap_closed"]
    assert math.isnan(closed["laplace"])
    assert closed["mixture"] == pytest.approx(0.5)


@pytest.mark.parametrize("missing", ["joint_coherence", "joint_coherence_base", "joint_coherence_aggregate"])
def test_a_gap_of_what_is_not_measured_is_not_known(missing):
    row = {"joint_coherence": 0.5, "joint_coherence_base": 0.2, "joint_coherence_aggregate": 0.8, "prior": "mixture"}
    assert gap_closed(row) == pytest.approx(0.5)
    assert math.isnan(gap_closed({**row, missing: None}))


def test_the_leaderboard_has_the_mean_of_what_each_run_closes(tmp_path):
    write_energy_run(tmp_path, 0, joint=0.4, floor=0.3, top=0.8)
    write_energy_run(tmp_path, 1, joint=0.6, floor=0.4, top=0.8)
    (row,) = leaderboard(*read_runs(tmp_path)).to_dict("records")
    assert row["gap_closed"] == pytest.approx((0.2 + 0.5) / 2)


def test_the_held_out_aggregate_has_its_own_measures(tmp_path):
    run = write_run(tmp_path)
    names = {"precision_aggregate": 0.1, "recall_aggregate": 0.2, "density_aggregate": 0.3, "coverage_aggregate": 0.4}
    write_measures(run, "coverage", precision=0.9, coverage=0.9, coverage_to_aggregate=0.7, **names)
    write_measures(run, "diversity", within_class_variance_aggregate=0.5, within_class_variance_aggregate_coherent=0.6)
    own, aggregate = records(tmp_path)
    assert [aggregate[name] for name in ("precision", "recall", "density", "coverage")] == [0.1, 0.2, 0.3, 0.4]
    assert [aggregate[name] for name in ("within_class_variance", "within_class_variance_coherent")] == [0.5, 0.6]
    assert [aggregate[f"joint_coherence{end}"] for end in ("", "_low", "_high")] == [0.5, 0.47, 0.53]
    assert math.isnan(aggregate["coverage_to_aggregate"])
    assert [own[name] for name in ("precision", "coverage", "coverage_to_aggregate")] == [0.9, 0.9, 0.7]


def test_references_that_only_a_fitted_prior_measured_are_taken_from_it(tmp_path):
    run = write_energy_run(tmp_path)
    write_prior(run, "mixture", 0.7, coverage_aggregate=0.4)
    measure_file(run, "joint").unlink()
    measure_file(run, "cross").unlink()
    found = table_of(tmp_path).set_index("prior")
    assert found.index.tolist() == ["p0", "mixture", "held-out aggregate"]
    assert found.loc["held-out aggregate", ["joint_coherence", "coverage"]].tolist() == [0.7, 0.4]


def test_a_fit_has_what_it_took(tmp_path):
    write_prior(write_run(tmp_path), "mixture", 0.7, aggregate_log_likelihood=-0.5)
    make_tables(tmp_path)
    own, mixture, _ = pd.read_csv(tmp_path / "priors.csv").to_dict("records")
    cost = ["fit_seconds", "parameters", "milliseconds_per_1000_samples", "aggregate_log_likelihood"]
    assert [mixture[name] for name in cost] == [2.0, 500, 0.5, -0.5]
    assert all(math.isnan(own[name]) for name in cost)


def test_published_and_long_coherence_are_taken_where_they_are_measured(tmp_path):
    run = write_energy_run(tmp_path)
    names = ("joint_coherence_published", "joint_coherence_base_published", "joint_coherence_aggregate_published")
    write_measures(run, "published", **dict(zip(names, (0.2, 0.1, 0.3), strict=True)))
    write_measures(run, "chains", joint_coherence_long=0.55)
    found = table_of(tmp_path).set_index("prior")
    published = found["joint_coherence_published"].to_dict()
    assert published == {"p0": 0.1, "energy": 0.2, "held-out aggregate": 0.3}
    assert found.loc["energy", "joint_coherence_long"] == 0.55


def test_energies_whose_chains_do_not_reach_have_a_warning_in_every_table(tmp_path):
    write_gaps(write_energy_run(tmp_path, 0), 0.0, -12.0)
    write_gaps(run := write_energy_run(tmp_path, 1), 0.0, -1.0)
    write_prior(run, "energy", 0.7, record={"energy_gap": -3.0, "energy_waits": 0.25})
    write_prior(run, "mixture", 0.7)
    make_tables(tmp_path)
    rows = pd.read_csv(tmp_path / "priors.csv").fillna({"warning": ""})
    warned = rows[rows["warning"] != ""]
    assert warned[["role", "seed", "energy_gap"]].values.tolist() == [["trained", 0, -12.0], ["fitted", 1, -3.0]]
    table = pd.read_csv(tmp_path / "leaderboard.csv").fillna({"warning": ""}).set_index("prior")
    assert table["energy_gap"].dropna().to_dict() == {"own": -6.5, "energy": -3.0}
    assert table.loc["own", "warning"].startswith("energy gap -12.0 (healthy: within ±2; below -5")
    assert table.loc["energy", "warning"].startswith("strained: energy gap -3.0 ")
    assert rows["energy_waits"].dropna().tolist() == [0.25] == table["energy_waits"].dropna().tolist()
    assert table.loc["mixture", "warning"] == ""
    text = (tmp_path / "leaderboard.md").read_text()
    assert "- **WARNING** ebm-base 0123abcd, own energy prior: energy gap -12.0 (healthy: " in text
    assert "- ebm-base 0123abcd, fitted energy prior: strained: energy gap -3.0 (healthy: " in text


def test_without_history_there_is_no_warning(tmp_path):
    (write_energy_run(tmp_path) / "history.csv").unlink()
    assert set(table_of(tmp_path)["warning"]) == {""}
    assert "WARNING" not in page(tmp_path)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("fit_seconds",), "much"),
        (("parameters",), 1.5),
        (("parameters",), -1),
        (("milliseconds_per_1000_samples",), [1]),
        (("record", "energy_gap"), {"a": 1}),
        (("record",), "none"),
    ],
)
def test_a_damaged_number_of_a_fit_costs_its_file_and_a_warning(tmp_path, caplog, keys, value):
    path = write_prior(write_run(tmp_path), "energy", 0.7, record={"energy_gap": -3.0})
    edit_json(path, *keys, value=value)
    assert "energy" not in set(table_of(tmp_path)["prior"])
    assert path.name in caplog.text


def test_a_fitted_prior_that_calls_itself_a_reference_is_none(tmp_path):
    write_prior(write_energy_run(tmp_path), "mixture", 0.9, label="p0")
    found = table_of(tmp_path)
    assert found[found["prior"] == "p0"][["role", "joint_coherence"]].values.tolist() == [
        ["reference", 0.3],
        ["fitted", 0.9],
    ]


def test_what_a_model_is_follows_from_its_classes():
    assert [base_method(name) for name in ("ebm-base", "ebm-generalized", "mmvaeplus", "of-a-plugin")] == [
        "mmvae",
        "mmvaeplus",
        "mmvaeplus",
        "of-a-plugin",
    ]
    assert [has_base(name) for name in ("energy", "laplace", "mixture", "of-a-plugin")] == [True, False, False, True]


def test_priors_of_two_evaluations_of_a_run_are_in_two_sections(tmp_path):
    run = write_run(tmp_path, joint=0.5)
    write_set(run, "joint", joint_measures(0.55, 5000), 5000)
    write_prior(run, "mixture", 0.8, n=5000)
    found = table_of(tmp_path)
    assert found[["evaluation", "prior", "joint_coherence"]].values.tolist() == [
        ["samples=1000 batch_size=250", "laplace", 0.5],
        ["samples=1000 batch_size=250", "held-out aggregate", 0.5],
        ["samples=5000 batch_size=250", "laplace", 0.55],
        ["samples=5000 batch_size=250", "mixture", 0.8],
        ["samples=5000 batch_size=250", "held-out aggregate", 0.55],
    ]


def test_runs_without_coherence_have_their_rows(tmp_path):
    write_run(tmp_path, joint=None, cross=None)
    (row,) = records(tmp_path)
    assert (row["role"], row["prior"], row["warning"]) == ("trained", "laplace", "")
    assert math.isnan(row["joint_coherence"])
    assert "nan" not in page(tmp_path)


def test_without_runs_the_table_is_empty(tmp_path):
    make_tables(tmp_path)
    assert pd.read_csv(tmp_path / "priors.csv").columns.tolist() == COLUMNS


def test_the_table_of_the_same_runs_is_made_once_and_of_others_again(tmp_path):
    write_run(tmp_path)
    first, other = read_runs(tmp_path)[0], read_runs(tmp_path)[0]
    tables = [priors.priors_table(runs) for runs in (first, first, other)]
    assert tables[0] is tables[1]
    assert tables[2] is not tables[0]
    assert tables[2].equals(tables[0])
