"""The rows of the leaderboard and its files."""

import logging
import math

import pandas as pd
import pytest

from bench.reporting.leaderboard import COLUMNS, make_tables
from tests.bench.reporting.leaderboards import page, table_of
from tests.bench.rundirs import (
    ENERGY,
    config_of,
    cross_measures,
    edit_json,
    joint_measures,
    measure_file,
    write_prior,
    write_real_run,
    write_run,
    write_set,
)


def test_an_empty_folder_gives_an_empty_table(tmp_path):
    table, runs, failed = make_tables(tmp_path)
    assert table.empty
    assert runs.empty
    assert failed.empty
    assert pd.read_csv(tmp_path / "leaderboard.csv").columns.tolist() == COLUMNS
    assert (tmp_path / "leaderboard.md").read_text().startswith("# Leaderboard")


def test_the_written_table_has_all_columns_and_values(tmp_path):
    write_run(tmp_path)
    make_tables(tmp_path)
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert table.columns.tolist() == COLUMNS
    row = table.iloc[0]
    assert row[["method", "dataset", "source", "preset", "seeds"]].tolist() == [
        "mmvae",
        "polymnist",
        "bundled",
        "quick",
        1,
    ]
    assert row["protocol"] == "joint prior n=1000, cross pairs n=1000"
    assert row[["joint_coherence", "joint_coherence_base", "joint_coherence_aggregate"]].tolist() == [0.5, 0.25, 0.5]
    assert row[["joint_entropy", "classifier_accuracy"]].tolist() == [2.0, 0.98]
    assert row[["joint_entropy_real", "collapsed_seeds"]].tolist() == [math.log(10), 0]
    assert row[["train_seconds", "wall_seconds", "samples_per_second"]].tolist() == [10, 12, 100]
    assert row[["trained_prior", "evaluation"]].tolist() == ["laplace", "samples=1000 batch_size=250"]
    assert row[["network", "epochs", "parameters", "device"]].tolist() == ["patch", 2, 1000, "a processor"]
    assert row[["revision", "code", "config_hash"]].tolist() == ["a" * 12, "b" * 16, "0123abcd"]


def test_one_seed_has_the_interval_of_its_model(tmp_path):
    write_run(tmp_path)
    row = table_of(tmp_path).iloc[0]
    assert (row["seeds"], row["interval"]) == (1, "binomial, one model: says nothing of other seeds")
    bounds = row[["joint_coherence_low", "joint_coherence_high", "cross_coherence_low", "cross_coherence_high"]]
    assert bounds.tolist() == pytest.approx([0.47, 0.53, 0.57, 0.63])
    assert pd.isna(row["joint_coherence_std"])


def test_three_seeds_have_students_interval(tmp_path):
    for seed, joint in enumerate((0.5, 0.6, 0.7)):
        write_run(tmp_path, seed=seed, joint=joint)
    row = table_of(tmp_path).iloc[0]
    assert (row["seeds"], row["interval"]) == (3, "Student t over seeds")
    # t(0.975; 2) = 4.302653; 4.302653 · 0.1 / √3 = 0.248414
    values = row[["joint_coherence", "joint_coherence_std", "joint_coherence_low", "joint_coherence_high"]]
    assert values.tolist() == pytest.approx([0.6, 0.1, 0.351586, 0.848414], abs=1e-6)
    assert row[["cross_coherence_low", "cross_coherence_high"]].tolist() == pytest.approx([0.6, 0.6])


@pytest.mark.parametrize(
    "other",
    [
        {"source": "official"},
        {"preset": "paper"},
        {"config_hash": "deadbeef"},
        {"dataset": "cub"},
        {"fingerprint": "e" * 64},
        {"n": 999},
    ],
)
def test_what_does_not_compare_never_shares_a_row(tmp_path, other):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, **other)
    assert table_of(tmp_path)["seeds"].tolist() == [1, 1]


def test_the_best_joint_coherence_of_a_section_comes_first(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, "mmvae", seed, joint=0.2)
        write_run(tmp_path, "mmvaeplus", seed, joint=0.4)
        write_run(tmp_path, "ebm-base", seed, joint=0.9, source="rebuilt", config_hash="deadbeef")
    assert table_of(tmp_path)["method"].tolist() == ["mmvaeplus", "mmvae", "ebm-base"]


@pytest.mark.parametrize(("real", "collapsed"), [({}, 1), ({"entropy_real": 0.5}, 1), ({"entropy_real": 0.35}, 0)])
def test_one_collapsed_attribute_is_enough(tmp_path, real, collapsed):
    """Collapsed is less than half of the entropy of real items' labels, whose wings may be black nearly all."""
    run = write_run(tmp_path)
    attributes = {
        "wing": {"coherence": 0.9, "entropy": 0.2, "histogram": [95, 5], **real},
        "beak": {"coherence": 0.5, "entropy": 1.0, "histogram": [40, 30, 30]},
    }
    details = {"entropy": 0.6, "entropy_uniform": 0.9, "attributes": attributes}
    edit_json(measure_file(run, "joint"), "measures", "joint_coherence", "details", value=details)
    row = table_of(tmp_path).iloc[0]
    assert row[["joint_entropy", "joint_entropy_real", "collapsed_seeds"]].tolist() == [0.6, 0.9, collapsed]


def test_a_run_that_misses_a_measure_is_not_averaged_with_those_that_have_it(tmp_path):
    write_run(tmp_path, seed=0, cross=0.4)
    write_run(tmp_path, seed=1, cross=0.6)
    measure_file(write_run(tmp_path, seed=2), "cross").unlink()
    table = table_of(tmp_path)
    assert table[["seeds", "protocol"]].to_numpy().tolist() == [
        [2, "joint prior n=1000, cross pairs n=1000"],
        [1, "joint prior n=1000, cross absent"],
    ]
    assert table["cross_coherence"].tolist() == [0.5, pytest.approx(math.nan, nan_ok=True)]


def test_a_run_that_was_evaluated_twice_has_two_rows_and_is_one_seed_in_each(tmp_path):
    run = write_run(tmp_path, joint=0.5, cross=0.6)
    write_set(run, "joint", joint_measures(0.55, 5000), 5000)
    write_set(run, "cross", cross_measures(0.65, 5000), 5000)
    table = table_of(tmp_path)
    assert table["seeds"].tolist() == [1, 1]
    assert table["evaluation"].tolist() == ["samples=1000 batch_size=250", "samples=5000 batch_size=250"]
    assert table["joint_coherence"].tolist() == [0.5, 0.55]
    assert "preset quick, samples=5000 batch_size=250\n" in page(tmp_path)


def test_networks_of_several_kinds_are_all_named(tmp_path):
    model = {"network": {"image": "conv", "text": "patch"}, "prior": {"name": "energy", "base": "normal"}}
    write_run(tmp_path, config={"model": model})
    row = table_of(tmp_path).iloc[0]
    assert row[["network", "trained_prior"]].tolist() == ["image=conv text=patch", "energy"]


def test_changed_code_shows(tmp_path):
    write_run(tmp_path, seed=0)
    file = write_run(tmp_path, seed=1) / "provenance.json"
    file.write_text(file.read_text().replace('"dirty": false', '"dirty": true').replace("b" * 16, "c" * 16))
    row = table_of(tmp_path).iloc[0]
    assert row[["seeds", "revision"]].tolist() == [2, f"{'a' * 12} {'a' * 12}+changes"]
    assert row["code"] == f"{'b' * 16} {'c' * 16}"


def test_fitted_priors_are_rows_of_their_own(tmp_path):
    """p0 0.3, aggregate posterior 0.6, own prior 0.6; a mixture that reaches 0.45 closes half of the gap."""
    run = write_run(tmp_path, "ebm-base", joint=0.6, cross=0.7, config=ENERGY)
    write_prior(run, "mixture", 0.45)
    table, _, _ = make_tables(tmp_path)
    own, mixture = table.to_dict("records")
    assert (own["prior"], mixture["prior"]) == ("own", "mixture")
    assert own["gap_closed"] == pytest.approx(1.0)
    assert mixture["gap_closed"] == pytest.approx(0.5)
    assert mixture["joint_coherence"] == 0.45
    for same in ("cross_coherence", "joint_coherence_base", "joint_coherence_aggregate", "config_hash", "seeds"):
        assert mixture[same] == own[same]
    assert "mixture prior" in mixture["joint_verdict"]


def test_runs_with_held_out_tuples_have_a_row_of_their_own_that_says_so(tmp_path):
    for setting in ("trainer.validation=0", "trainer.validation=0.05"):
        write_real_run(tmp_path, config_of("mmvae", setting))
    make_tables(tmp_path)
    table = pd.read_csv(tmp_path / "leaderboard.csv", keep_default_na=False)
    assert sorted(table["settings"]) == ["", "trainer.validation=0.05"]
    (verdict,) = table.loc[table["settings"] != "", "joint_verdict"]
    assert verdict.startswith("not comparable: trainer.validation=0.05")
    assert "trainer.validation=0.05" in (tmp_path / "leaderboard.md").read_text()


def test_a_prior_with_other_settings_is_another_prior_whatever_its_label(tmp_path):
    run = write_run(tmp_path)
    write_prior(run, "mixture", 0.7, settings={"components": 10})
    write_prior(run, "mixture", 0.8, settings={"components": 50}, label="mixture components=50")
    write_prior(run, "mixture", 0.9, settings={"components": 90})  # by a version with another preset
    table = table_of(tmp_path)
    assert table[["prior", "seeds", "joint_coherence"]].to_numpy().tolist() == [
        ["own", 1, 0.5],
        ["mixture", 1, 0.7],
        ["mixture", 1, 0.9],
        ["mixture components=50", 1, 0.8],
    ]


def test_a_damaged_file_costs_its_part_and_one_warning_that_names_it(tmp_path, caplog):
    for seed in (0, 1, 2):
        write_prior(write_run(tmp_path, seed=seed), "flow", 0.8)
    damaged = tmp_path / "runs/polymnist/mmvae/quick-0123abcd/seed-1/provenance.json"
    damaged.write_text('{"half": ')
    with caplog.at_level(logging.WARNING, logger="bench"):
        table = table_of(tmp_path)
    assert table[["prior", "seeds"]].to_numpy().tolist() == [["own", 2], ["flow", 2]]
    (record,) = caplog.records
    assert record.message.startswith(f"{damaged} is no JSON")
    assert record.message.endswith("the run is left out")


def test_good_tables_are_not_replaced_by_empty_ones(tmp_path, caplog):
    run = write_run(tmp_path)
    make_tables(tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("leaderboard.csv", "leaderboard.md", "measures.csv")]
    (run / "provenance.json").write_text("")
    make_tables(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("leaderboard.csv", "leaderboard.md", "measures.csv")] == before
    assert "none of the runs in" in caplog.text
    assert "its tables are those of before" in caplog.text


def test_that_tables_are_those_of_before_is_told_where_no_run_is_finished_any_more(tmp_path, caplog):
    run = write_run(tmp_path)
    make_tables(tmp_path)
    (run / "training.json").unlink()
    make_tables(tmp_path)
    assert "no run in" in caplog.text
    assert "is finished: its tables are those of before" in caplog.text
