"""The leaderboard's page for people."""

import re

import pandas as pd

from bench.reporting.leaderboard import make_tables
from tests.bench.reporting.leaderboards import page, table_of
from tests.bench.rundirs import write_measures, write_prior, write_run

ERROR = {"kind": "diverged", "type": "Diverged", "message": "loss is nan\nin a | b"}


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
    assert "below 50% of that of real items' labels" in text


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
