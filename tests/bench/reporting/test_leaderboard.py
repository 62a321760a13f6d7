import logging
import math
import os
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
import yaml

import bench
from bench.commands.report import is_current
from bench.config.resolve import resolve
from bench.reporting.leaderboard import COLUMNS, gap_closed, leaderboard, markdown, poster, read_runs
from bench.runner import plain
from tests.bench.conftest import tables, write_measures, write_prior, write_run

ERROR = {"kind": "diverged", "type": "Diverged", "message": "loss is nan\nin a | b"}


def table_of(out):
    return leaderboard(*read_runs(out))


def page(out):
    runs, failed = read_runs(out)
    return markdown(leaderboard(runs, failed), runs, failed)


def test_an_empty_folder_gives_an_empty_table(tmp_path):
    table, runs, failed = tables(tmp_path)
    assert table.empty
    assert runs.empty
    assert failed.empty
    assert pd.read_csv(tmp_path / "leaderboard.csv").columns.tolist() == COLUMNS
    assert (tmp_path / "leaderboard.md").read_text().startswith("# Leaderboard")


def test_the_written_table_has_all_columns_and_values(tmp_path):
    write_run(tmp_path)
    tables(tmp_path)
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
    assert row[["train_seconds", "wall_seconds", "samples_per_second"]].tolist() == [10, 12, 100]
    assert row[["network", "epochs", "parameters", "device"]].tolist() == ["patch", 2, 1000, "a processor"]
    assert row[["revision", "code", "config_hash"]].tolist() == ["a" * 12, "b" * 16, "0123abcd"]


def test_one_seed_has_the_interval_of_its_model(tmp_path):
    write_run(tmp_path)
    row = table_of(tmp_path).iloc[0]
    assert (row["seeds"], row["interval"]) == (1, "binomial, one seed")
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
    write_run(tmp_path, "mmvae", joint=0.2)
    write_run(tmp_path, "mmvaeplus", joint=0.4)
    write_run(tmp_path, "ebm-base", joint=0.9, source="rebuilt")
    assert table_of(tmp_path)["method"].tolist() == ["mmvaeplus", "mmvae", "ebm-base"]


def test_failed_runs_are_counted_and_listed(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, error=ERROR)
    write_run(tmp_path, seed=0, preset="paper", error=ERROR)
    write_run(tmp_path, "ebm-base", seed=5, error=ERROR)
    table, _, failed = tables(tmp_path)
    assert table[["method", "seeds", "failed_seeds"]].to_numpy().tolist() == [["mmvae", 1, 1]]
    assert len(failed) == 3
    text = (tmp_path / "leaderboard.md").read_text()
    assert "| mmvae | 1 (+1 failed) |" in text
    assert "| ebm-base | polymnist (bundled) | quick | 5 | diverged: loss is nan in a \\| b |" in text


def test_only_failures_still_give_a_report(tmp_path):
    write_run(tmp_path, error=ERROR)
    table, _, _ = tables(tmp_path)
    assert table.empty
    assert "diverged" in (tmp_path / "leaderboard.md").read_text()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.json", '{"measures": '),
        ("metrics.json", "{}"),
        ("metrics.json", "[]"),
        ("provenance.json", None),
        ("config.yaml", "method: ["),
        ("config.yaml", "just text"),
    ],
)
def test_a_damaged_run_is_left_out_with_a_warning(tmp_path, caplog, file, content):
    write_run(tmp_path, seed=0)
    damaged = write_run(tmp_path, seed=1) / file
    damaged.unlink() if content is None else damaged.write_text(content)
    with caplog.at_level(logging.WARNING, logger="bench"):
        table = table_of(tmp_path)
    assert table["seeds"].tolist() == [1]
    assert ["seed-1 is left out" in record.message for record in caplog.records] == [True]


def test_a_run_that_goes_on_is_neither_finished_nor_failed(tmp_path, caplog):
    path = write_run(tmp_path)
    (path / "metrics.json").unlink()
    (path / "status.json").write_text('{"state": "running"}')
    runs, failed = read_runs(tmp_path)
    assert runs.empty
    assert failed.empty
    assert not caplog.records


def test_poster_values_are_joined_by_dataset_and_method(tmp_path):
    write_run(tmp_path, "mmvae")
    write_run(tmp_path, "ebm-generalized")
    write_run(tmp_path, "mmvae", dataset="toy")
    table = table_of(tmp_path).set_index(["dataset", "method"])[["poster_joint", "poster_cross"]]
    assert table.loc[("polymnist", "mmvae")].tolist() == [0.232, 0.844]
    assert table.loc[("polymnist", "ebm-generalized")].tolist() == [0.878, 0.897]
    assert table.loc[("toy", "mmvae")].isna().all()


def write_paper_run(out, *settings, method="mmvae", seed=0, joint=0.5, cross=0.6):
    """A run of the paper preset on rebuilt data, but for `settings`."""
    path = write_run(out, method, seed, joint=joint, cross=cross, source="rebuilt", preset="paper")
    (config,) = resolve([method], "polymnist", "rebuilt", "paper", settings)
    (path / "config.yaml").write_text(yaml.safe_dump(plain(config.as_dict())))


VERDICTS = ["joint_difference", "joint_verdict", "cross_difference", "cross_verdict"]


def test_rows_of_the_paper_preset_get_a_verdict(tmp_path):
    write_paper_run(tmp_path, joint=0.25, cross=0.6)  # printed: 0.232, 0.844
    write_paper_run(tmp_path, method="mvtcae", joint=0.1, cross=0.6)  # printed: 0.003, 0.591
    table = table_of(tmp_path).set_index("method")
    assert table.loc["mmvae", VERDICTS].tolist() == [pytest.approx(0.018), "reproduced", pytest.approx(-0.244), "below"]
    assert table.loc["mvtcae", VERDICTS].tolist() == [pytest.approx(0.097), "above", pytest.approx(0.009), "reproduced"]
    text = page(tmp_path)
    assert "| 0.232 (+0.018) | 0.844 (-0.244) | joint reproduced, cross below |" in text


def test_the_verdict_uses_the_interval_over_seeds(tmp_path):
    for seed, joint in enumerate((0.1, 0.2, 0.15)):  # 0.15 ± 0.124: its one-model interval would end at 0.18
        write_paper_run(tmp_path, seed=seed, joint=joint)
    assert table_of(tmp_path)["joint_verdict"].tolist() == ["reproduced"]


def test_rows_that_do_not_compare_say_why_and_have_a_difference(tmp_path):
    write_run(tmp_path)
    write_paper_run(tmp_path, "trainer.epochs=3")
    bundled, changed = table_of(tmp_path)[VERDICTS].to_numpy().tolist()
    why = "not comparable: bundled data, preset quick"
    assert bundled == [pytest.approx(0.268), why, pytest.approx(-0.244), why]
    assert changed[1::2] == ["not comparable: trainer.epochs=3"] * 2
    assert f"| 0.232 (+0.268) | 0.844 (-0.244) | {why} |" in page(tmp_path)


def test_without_a_printed_value_there_is_no_verdict(tmp_path):
    write_run(tmp_path, dataset="toy")
    row = table_of(tmp_path).iloc[0]
    assert row[["joint_verdict", "cross_verdict"]].tolist() == ["", ""]
    assert row[["joint_difference", "cross_difference"]].isna().all()


def test_the_published_reference_is_the_packaged_one():
    published = Path(bench.__file__).parents[1] / "results" / "reference" / "poster.csv"
    assert published.read_bytes() == (resources.files("bench.reporting") / "published.csv").read_bytes()
    assert not poster().duplicated(["dataset", "method"]).any()


def test_markdown_has_every_method_and_section(tmp_path):
    methods = ["mmvae", "mmvaeplus", "ebm-base", "ebm-generalized"]
    for method in methods:
        write_run(tmp_path, method)
    write_run(tmp_path, "mmvae", dataset="toy", preset="paper", source="rebuilt")
    text = page(tmp_path)
    assert all(f"| {method} | 1 | 0.500 [0.470, 0.530] | 0.250 | 0.500 |" in text for method in methods)
    assert "## polymnist, bundled data, preset quick" in text
    assert "## toy, rebuilt data, preset paper" in text
    assert "Classifier accuracy on real test images: 0.9800. Data ffffffffffffffff." in text
    assert "nan" not in text


def test_changed_code_shows(tmp_path):
    write_run(tmp_path, seed=0)
    file = write_run(tmp_path, seed=1) / "provenance.json"
    file.write_text(file.read_text().replace('"dirty": false', '"dirty": true').replace("b" * 16, "c" * 16))
    row = table_of(tmp_path).iloc[0]
    assert row[["seeds", "revision"]].tolist() == [2, f"{'a' * 12} {'a' * 12}+changes"]
    assert row["code"] == f"{'b' * 16} {'c' * 16}"


def test_fitted_priors_are_rows_of_their_own(tmp_path):
    """p0 0.3, aggregate posterior 0.6, own prior 0.6; a mixture that reaches 0.45 closes half of the gap."""
    run = write_run(tmp_path, "mmvae", joint=0.6, cross=0.7)
    write_prior(run, "gmm", 0.45)
    table, _, _ = tables(tmp_path)
    own, gmm = table.to_dict("records")
    assert (own["prior"], gmm["prior"]) == ("own", "gmm")
    assert own["gap_closed"] == pytest.approx(1.0)
    assert gmm["gap_closed"] == pytest.approx(0.5)
    assert gmm["joint_coherence"] == 0.45
    for same in ("cross_coherence", "joint_coherence_base", "joint_coherence_aggregate", "config_hash", "seeds"):
        assert gmm[same] == own[same]
    assert "gmm prior" in gmm["joint_verdict"]


def test_the_table_of_priors_names_floor_and_ceiling(tmp_path):
    write_prior(write_run(tmp_path, "mmvae", joint=0.6), "gmm", 0.45)
    write_run(tmp_path, "ebm-base", joint=0.8)
    tables(tmp_path)
    text = (tmp_path / "leaderboard.md").read_text()
    assert "| method | config | p0 | own | gmm | aggregate posterior |" in text
    assert "| mmvae | 0123abcd | 0.300 | 0.600 (+100%) | 0.450 (+50%) | 0.600 |" in text
    assert "| ebm-base | 0123abcd | 0.400 | 0.800 (+100%) |  | 0.800 |" in text


def test_without_other_priors_there_is_no_table_of_them(tmp_path):
    write_run(tmp_path, "mmvae")
    tables(tmp_path)
    assert "by prior" not in (tmp_path / "leaderboard.md").read_text()


def test_no_gap_is_not_closed():
    row = {"joint_coherence": 0.5, "joint_coherence_base": 0.5, "joint_coherence_aggregate": 0.5}
    assert math.isnan(gap_closed(row))


def test_further_measures_have_a_long_table_and_a_compact_one(tmp_path):
    for seed, probe in enumerate((0.7, 0.9)):
        run = write_run(tmp_path, seed=seed)
        write_measures(run, "probes", probe_z=probe)
    write_measures(write_run(tmp_path, "mopoe"), "diversity", class_entropy=2.25)
    _, runs, _ = tables(tmp_path)
    table = pd.read_csv(tmp_path / "measures.csv")
    probes = table[table["measure"] == "probe_z"]
    assert probes[["method", "seed", "value", "protocol", "n"]].values.tolist() == [
        ["mmvae", 0, 0.7, "a protocol", 10],
        ["mmvae", 1, 0.9, "a protocol", 10],
    ]
    assert len(table) == 3 * 4 + 3  # each run's own four, and the added ones
    text = page(tmp_path)
    assert "| method | config | prior | probe_z | class_entropy |" in text
    assert "| mmvae | 0123abcd | own | 0.8 |  |" in text
    assert "| mopoe | 0123abcd | own |  | 2.25 |" in text
    assert len(runs) == 3


def test_measures_of_different_protocols_are_not_averaged(tmp_path):
    for seed, protocol in enumerate(("one", "two")):
        write_measures(write_run(tmp_path, seed=seed), "probes", protocol=protocol, probe_z=0.5 + seed)
    assert "| mmvae | 0123abcd | own | 0.5 | 1.5 |" in page(tmp_path)


def test_measures_under_a_fitted_prior_have_their_own_line(tmp_path):
    run = write_run(tmp_path)
    write_measures(run, "diversity", class_entropy=1.0)
    write_prior(run, "gmm", 0.8, class_entropy=2.0)
    text = page(tmp_path)
    assert "| mmvae | 0123abcd | own | 1 |" in text
    assert "| mmvae | 0123abcd | gmm | 2 |" in text


def test_tables_are_current_until_anything_changes_among_the_runs(tmp_path):
    run = write_run(tmp_path, "mmvae")
    assert not is_current(tmp_path)
    tables(tmp_path)
    assert is_current(tmp_path)
    later = (tmp_path / "leaderboard.md").stat().st_mtime_ns + 1_000_000
    for path in (run / "metrics.json", run.parent):  # another number; a run more, or one less
        os.utime(path, ns=(later, later))
        assert not is_current(tmp_path)
        os.utime(path, ns=(0, 0))
        assert is_current(tmp_path)
