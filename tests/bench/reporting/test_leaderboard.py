import logging
import math
import os
import re

import pandas as pd
import pytest

from bench.commands.report import is_current, make_report
from bench.errors import BenchError
from bench.reporting.leaderboard import COLUMNS, leaderboard, make_tables
from bench.reporting.markdown import markdown
from bench.reporting.rows import read_runs
from tests.bench.rundirs import (
    ENERGY,
    config_of,
    cross_measures,
    edit_json,
    joint_measures,
    measure_file,
    write_measures,
    write_prior,
    write_real_run,
    write_run,
    write_set,
)

ERROR = {"kind": "diverged", "type": "Diverged", "message": "loss is nan\nin a | b"}


def table_of(out):
    return leaderboard(*read_runs(out))


def page(out):
    runs, failed = read_runs(out)
    return markdown(leaderboard(runs, failed), runs, failed)


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
    assert row[["joint_entropy_even", "collapsed_seeds"]].tolist() == [math.log(10), 0]
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


def test_one_model_ranks_no_method(tmp_path):
    for method, joint in (("mvae", 0.2), ("ebm-base", 0.3), ("mmvae", 0.9)):
        write_run(tmp_path, method, joint=joint)
    for seed in (0, 1):
        write_run(tmp_path, "mopoe", seed, joint=0.1 + seed / 10)
    assert table_of(tmp_path)["method"].tolist() == ["mopoe", "ebm-base", "mmvae", "mvae"]
    text = page(tmp_path)
    several, one = text.split("One model each, sorted by name.")
    assert "| mopoe |" in several
    assert "| mmvae |" not in several
    assert "nothing is ranked here" in one


def test_failed_runs_are_counted_and_listed(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, error=ERROR)
    write_run(tmp_path, seed=0, preset="paper", config_hash="deadbeef", error=ERROR)
    write_run(tmp_path, "ebm-base", seed=5, error=ERROR)
    table, _, failed = make_tables(tmp_path)
    assert table[["method", "seeds", "failed_seeds"]].to_numpy().tolist() == [["mmvae", 1, 1]]
    assert len(failed) == 3
    text = (tmp_path / "leaderboard.md").read_text()
    assert "| mmvae | laplace | 1 (+1 failed) |" in text
    assert "| ebm-base | polymnist (bundled) | quick | 5 | diverged: loss is nan in a \\| b |" in text


def test_only_failures_still_give_a_report(tmp_path):
    write_run(tmp_path, error=ERROR)
    table, _, _ = make_tables(tmp_path)
    assert table.empty
    assert "diverged" in (tmp_path / "leaderboard.md").read_text()


def test_markdown_has_every_method_and_section(tmp_path):
    methods = ["mmvae", "mmvaeplus", "ebm-base", "ebm-generalized"]
    for method in methods:
        write_run(tmp_path, method)
    write_run(tmp_path, "mmvae", dataset="toy", preset="paper", source="rebuilt")
    text = page(tmp_path)
    line = "| laplace | 1 | 0.500 [0.470, 0.530] | 2.00 of 2.30 | 0.250 | 0.500 |"
    assert all(f"| {method} {line}" in text for method in methods)
    assert "## polymnist, bundled data, preset quick" in text
    assert "## toy, rebuilt data, preset paper" in text
    assert "Classifier accuracy on real test items: 0.9800. Data ffffffffffffffff." in text
    assert "reference: z encoded from held-out tuples" in text
    assert "nan" not in text
    assert "ceiling" not in text


def test_a_collapsed_model_is_called_that_beside_its_coherence(tmp_path):
    write_run(tmp_path, "mmvae", joint=0.99, entropy=1.1)  # below half of ln 10 = 2.303
    write_run(tmp_path, "mopoe", joint=0.4, entropy=1.2)
    table, *_ = make_tables(tmp_path)
    assert table.set_index("method")["collapsed_seeds"].to_dict() == {"mmvae": 1, "mopoe": 0}
    text = page(tmp_path)
    assert "| 0.990 [0.960, 1.020] | 1.10 of 2.30, COLLAPSED |" in text
    assert "| 0.400 [0.370, 0.430] | 1.20 of 2.30 |" in text
    assert "below 50% of that of even labels" in text


def test_one_collapsed_attribute_is_enough(tmp_path):
    run = write_run(tmp_path)
    attributes = {
        "wing": {"coherence": 0.9, "entropy": 0.2, "histogram": [95, 5]},
        "beak": {"coherence": 0.5, "entropy": 1.0, "histogram": [40, 30, 30]},
    }
    details = {"entropy": 0.6, "entropy_uniform": 0.9, "attributes": attributes}
    edit_json(measure_file(run, "joint"), "measures", "joint_coherence", "details", value=details)
    row = table_of(tmp_path).iloc[0]
    assert row[["joint_entropy", "joint_entropy_even", "collapsed_seeds"]].tolist() == [0.6, 0.9, 1]


def test_what_does_not_apply_is_absent_with_its_reason(tmp_path):
    write_run(tmp_path, "mmvae", joint=None, cross=None)
    table, *_ = make_tables(tmp_path)
    row = table.iloc[0]
    assert row["protocol"] == "joint absent, cross absent"
    assert row[["joint_coherence", "cross_coherence", "gap_closed"]].isna().all()
    text = page(tmp_path)
    assert "| mmvae | laplace | 1 | absent |" in text
    assert "- joint of mmvae: there are no labels" in text
    assert "nan" not in text
    long = pd.read_csv(tmp_path / "measures.csv").set_index("evaluator")
    assert long["absent"].to_dict() == {"joint": "there are no labels", "cross": "there are no labels"}


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


def test_further_measures_have_a_long_table_and_a_compact_one(tmp_path):
    for seed, probe in enumerate((0.7, 0.9)):
        run = write_run(tmp_path, seed=seed)
        write_measures(run, "probes", probe_z=probe)
    write_measures(write_run(tmp_path, "mopoe"), "diversity", class_entropy=2.25)
    _, runs, _ = make_tables(tmp_path)
    table = pd.read_csv(tmp_path / "measures.csv")
    probes = table[table["measure"] == "probe_z"]
    assert probes[["method", "seed", "value", "protocol", "n"]].values.tolist() == [
        ["mmvae", 0, 0.7, "a protocol", 1000],
        ["mmvae", 1, 0.9, "a protocol", 1000],
    ]
    assert len(table) == 3 * 4 + 3  # each run's own four, and the added ones
    text = page(tmp_path)
    assert "| measure, own prior | mmvae 0123abcd | mopoe 0123abcd |" in text
    assert "| probe_z ↑ | 0.8 |  |" in text
    assert "| class_entropy ↑ |  | 2.25 |" in text
    assert len(runs) == 3


def test_measures_of_different_protocols_are_not_averaged(tmp_path):
    for seed, protocol in enumerate(("one", "two")):
        write_measures(write_run(tmp_path, seed=seed), "probes", protocol=protocol, probe_z=0.5 + seed)
    text = page(tmp_path)
    assert re.search(r"\| probe_z \(one, .*\) ↑ \| 0.5 \|", text)
    assert re.search(r"\| probe_z \(two, .*\) ↑ \| 1.5 \|", text)


def test_measures_that_the_table_of_priors_lacks_have_a_line_of_their_prior(tmp_path):
    run = write_run(tmp_path)
    write_measures(run, "diversity", class_entropy=1.0)
    write_prior(run, "flow", 0.8, label="flow a|b", class_entropy=2.0, of_a_plugin=3.0)
    text = page(tmp_path)
    assert "| measure, own prior | mmvae 0123abcd |\n|---|---|\n| class_entropy ↑ | 1 |" in text
    assert "| measure, flow a/b prior | mmvae 0123abcd |\n|---|---|\n| of_a_plugin ↑ | 3 |" in text


def test_priors_of_one_label_and_different_settings_are_not_averaged(tmp_path):
    run = write_run(tmp_path)
    for components, value in ((10, 3.0), (50, 5.0)):
        write_prior(run, "mixture", 0.8, settings={"components": components}, label="mixture", of_a_plugin=value)
    text = page(tmp_path)
    assert "| of_a_plugin ↑ | 3 |" in text
    assert "| of_a_plugin ↑ | 5 |" in text


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


def damage(path):
    path.write_text('{"half": ')


def test_a_damaged_file_costs_its_part_and_one_warning_that_names_it(tmp_path, caplog):
    for seed in (0, 1, 2):
        write_prior(write_run(tmp_path, seed=seed), "flow", 0.8)
    damaged = tmp_path / "runs/polymnist/mmvae/quick-0123abcd/seed-1/provenance.json"
    damage(damaged)
    with caplog.at_level(logging.WARNING, logger="bench"):
        table = table_of(tmp_path)
    assert table[["prior", "seeds"]].to_numpy().tolist() == [["own", 2], ["flow", 2]]
    (record,) = caplog.records
    assert record.message.startswith(f"{damaged} is no JSON")
    assert record.message.endswith("the run is left out")


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
    damage(run / "provenance.json")
    assert make_report(tmp_path) == 1
    (run / "training.json").unlink()
    for folder in ("measures",):
        for file in (run / folder).iterdir():
            file.unlink()
    assert make_report(tmp_path) == 0  # nothing is finished: an empty table is the whole truth


def test_good_tables_are_not_replaced_by_empty_ones(tmp_path, caplog):
    run = write_run(tmp_path)
    make_tables(tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("leaderboard.csv", "leaderboard.md", "measures.csv")]
    (run / "provenance.json").write_text("")
    make_tables(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("leaderboard.csv", "leaderboard.md", "measures.csv")] == before
    assert "none of the runs in" in caplog.text
    assert "its tables are those of before" in caplog.text


def test_without_a_finished_run_there_is_a_sentence_and_no_warning(tmp_path, caplog, capsys):
    """As after a time budget that ended in the first run, and again after the next one."""
    (write_run(tmp_path) / "training.json").unlink()
    for _ in range(2):
        assert make_report(tmp_path) == 0
        assert capsys.readouterr().out == "no run is finished yet: there are no tables\n"
    assert "of before" not in caplog.text


def test_that_tables_are_those_of_before_is_told_where_no_run_is_finished_any_more(tmp_path, caplog):
    run = write_run(tmp_path)
    make_tables(tmp_path)
    (run / "training.json").unlink()
    make_tables(tmp_path)
    assert "no run in" in caplog.text
    assert "is finished: its tables are those of before" in caplog.text
