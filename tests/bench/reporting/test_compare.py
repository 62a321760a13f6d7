import shutil

import pandas as pd
import pytest

from bench.cli import main
from bench.errors import DataMissing, UsageError
from bench.reporting.compare import compare, markdown
from tests.bench.rundirs import edit_json, write_measures, write_prior, write_run

ERROR = {"kind": "diverged", "type": "Diverged", "message": "loss is nan"}


def write_runs(out, method, joints, first=0, **settings):
    for seed, joint in enumerate(joints, first):
        write_run(out, method, seed, joint=joint, **settings)


def refusal(out, a, b):
    with pytest.raises(UsageError) as error:
        compare(out, a, b)
    return str(error.value)


def test_three_shared_seeds_are_paired(tmp_path):
    write_runs(tmp_path, "ebm-base", (0.9, 0.5, 0.7), cross=0.8)
    write_runs(tmp_path, "mmvae", (0.8, 0.3, 0.4))
    table = compare(tmp_path, "ebm-base", "mmvae").set_index("metric")
    # Differences 0.1, 0.2, 0.3; 4.302653 · 0.1 / √3 = 0.248414
    joint = table.loc["joint_coherence", ["a", "b", "difference", "std", "low", "high"]]
    assert joint.tolist() == pytest.approx([0.7, 0.5, 0.2, 0.1, -0.048414, 0.448414], abs=1e-6)
    cross = table.loc["cross_coherence", ["a", "b", "difference", "std", "low", "high"]]
    assert cross.tolist() == pytest.approx([0.8, 0.6, 0.2, 0.0, 0.2, 0.2])
    assert table["interval"].unique().tolist() == ["Student t over paired seeds"]
    assert table.index.tolist()[:2] == ["joint_coherence", "cross_coherence"]
    assert table[["pairs", "seeds"]].to_numpy().tolist() == [[3, "0, 1, 2"]] * 4


def test_one_shared_seed_is_binomial_and_says_so(tmp_path):
    write_runs(tmp_path, "ebm-base", (0.7,))
    write_runs(tmp_path, "mmvae", (0.4, 0.5))
    row = compare(tmp_path, "ebm-base", "mmvae").iloc[0]
    # Both models are known to ±0.03: √2 · 0.03 = 0.042426
    assert row[["difference", "low", "high"]].tolist() == pytest.approx([0.3, 0.257574, 0.342426], abs=1e-6)
    assert (row["pairs"], row["interval"]) == (1, "binomial, one model each: says nothing about the methods")
    assert pd.isna(row["std"])
    text = markdown(compare(tmp_path, "ebm-base", "mmvae"))
    assert text.lower().count("one model each: says nothing about the methods") == 1
    assert "| joint coherence | higher | 0.700 | 0.400 | +0.300 |  | 1 | [+0.258, +0.342] | binomial |" in text
    assert not any(word in text for word in ("above", "below", "better than", "worse"))


def test_many_seeds_are_named_by_the_first_the_last_and_their_number(tmp_path):
    write_runs(tmp_path, "mmvae", [0.5] * 12)
    write_runs(tmp_path, "mopoe", [0.5] * 2, first=20)
    found = refusal(tmp_path, "mmvae", "mopoe")
    assert "seeds 0, 1, …, 11 (12 in all)\n" in found
    assert "seeds 20, 21\n" in found


def test_only_shared_seeds_count(tmp_path):
    write_runs(tmp_path, "ebm-base", (0.1, 0.6, 0.8), first=8)
    write_runs(tmp_path, "mmvae", (0.5, 0.5, 0.1), first=9)
    row = compare(tmp_path, "ebm-base", "mmvae").iloc[0]
    assert row[["a", "b", "difference"]].tolist() == pytest.approx([0.7, 0.5, 0.2])
    assert (row["pairs"], row["seeds"]) == (2, "9, 10")


@pytest.mark.parametrize(
    ("other", "there"),
    [
        ({"source": "rebuilt"}, "source rebuilt"),
        ({"preset": "paper"}, "preset paper"),
        ({"joint": None}, "protocol joint absent, cross pairs n=1000"),
        ({"dataset": "toy"}, "dataset toy"),
        ({"fingerprint": "e" * 64}, "data_fingerprint eeeeeeeeeeeeeeee"),
        ({"n": 999}, "protocol joint prior n=999, cross pairs n=999"),
        ({"seed": 7}, "seeds 7"),
    ],
)
def test_what_shares_no_setting_is_refused_and_listed(tmp_path, other, there):
    write_run(tmp_path, "ebm-base")
    write_run(tmp_path, "mmvae", **other)
    message = refusal(tmp_path, "ebm-base", "mmvae")
    assert "ebm-base and mmvae have no runs that share dataset, source, preset" in message
    assert (
        "  ebm-base@0123abcd: dataset polymnist, source bundled, preset quick, prior own, data_fingerprint ffff"
        in message
    )
    assert there in message


def test_every_setting_has_its_own_section(tmp_path):
    for method in ("ebm-base", "mmvae"):
        write_run(tmp_path, method, preset="quick")
        write_run(tmp_path, method, preset="paper", config_hash="deadbeef")
    text = markdown(compare(tmp_path, "ebm-base", "mmvae"))
    assert text.count("## polymnist, bundled data, preset") == 2
    assert "| metric | better | ebm-base@0123abcd | mmvae@0123abcd |" in text
    assert "| metric | better | ebm-base@deadbeef | mmvae@deadbeef |" in text


def test_several_configurations_are_refused_until_one_is_named(tmp_path):
    write_runs(tmp_path, "mmvae", (0.2, 0.3))
    write_runs(tmp_path, "mmvae", (0.6, 0.7), config_hash="deadbeef")
    write_runs(tmp_path, "ebm-base", (0.9, 0.9))
    for a, b in (("ebm-base", "mmvae"), ("mmvae", "ebm-base"), ("mmvae", "mmvae@deadbeef")):
        message = refusal(tmp_path, a, b)
        assert "mmvae has several configurations with dataset polymnist" in message
        assert "name one of mmvae@0123abcd, mmvae@deadbeef" in message
    assert compare(tmp_path, "ebm-base", "mmvae@deadbeef")["difference"].iloc[0] == pytest.approx(0.25)
    assert compare(tmp_path, "mmvae@deadbeef", "mmvae@0123abcd")["difference"].iloc[0] == pytest.approx(0.4)


def test_a_configuration_is_not_compared_with_itself(tmp_path):
    write_run(tmp_path, "mmvae")
    assert "mmvae and mmvae@0123abcd are both mmvae@0123abcd" in refusal(tmp_path, "mmvae", "mmvae@0123abcd")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mmvea", "'mmvea': did you mean 'mmvae'? (allowed: ebm-base, mmvae)"),
        ("mopoe", "unknown method among the finished runs 'mopoe'"),
        ("mmvae@0123abce", "'0123abce': did you mean '0123abcd'? (allowed: 0123abcd)"),
        ("mmvae@", "unknown configuration of mmvae ''"),
    ],
)
def test_a_name_without_finished_runs_is_refused(tmp_path, name, message):
    write_run(tmp_path, "ebm-base")
    write_run(tmp_path, "mmvae")
    write_run(tmp_path, "mopoe", error=ERROR)
    assert message in refusal(tmp_path, "ebm-base", name)


def test_no_finished_run_is_missing_data(tmp_path):
    write_run(tmp_path, "mmvae", error=ERROR)
    with pytest.raises(DataMissing, match="no finished run"):
        compare(tmp_path, "mmvae", "ebm-base")


def test_the_command_prints_the_table(tmp_path, capsys):
    write_runs(tmp_path, "ebm-base", (0.9, 0.5, 0.7))
    write_runs(tmp_path, "mmvae", (0.8, 0.3, 0.4))
    assert main(["compare", "ebm-base", "mmvae", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "protocol joint prior n=1000, cross pairs n=1000, seeds 0, 1, 2." in printed
    row = "| joint coherence | higher | 0.700 | 0.500 | +0.200 | 0.100 | 3 | [-0.048, +0.448] | Student t over paired"
    assert row in printed


def test_the_commands_refusals_have_exit_codes(tmp_path, capsys):
    assert main(["compare", "mmvae", "ebm-base", "--out", str(tmp_path)]) == 3
    write_run(tmp_path, "mmvae")
    assert main(["compare", "mmvae", "ebm-base", "--out", str(tmp_path)]) == 2
    assert "unknown method among the finished runs 'ebm-base'" in capsys.readouterr().err


def test_a_copy_of_a_run_is_no_pair(tmp_path, caplog):
    for method in ("ebm-base", "mmvae"):
        run = write_run(tmp_path, method)
        shutil.copytree(run, run.with_name("seed-0.bak"))
        shutil.copytree(run.parent, run.parent.with_name("quick-copied"))
    table = compare(tmp_path, "ebm-base", "mmvae")
    assert table["pairs"].unique().tolist() == [1]
    assert caplog.text.count("a copy is not another seed") == 6


def test_further_measures_are_compared_where_their_protocols_agree(tmp_path):
    for method, value in (("ebm-base", -900.0), ("mmvae", -950.0)):
        for seed in (0, 1):
            run = write_run(tmp_path, method, seed)
            write_measures(run, "likelihood", "importance-sampling K=10", log_likelihood=value + 20 * seed)
            write_measures(run, "probes", f"by {method}", probe_z=0.5)
    table = compare(tmp_path, "ebm-base", "mmvae").set_index("metric")
    assert "probe_z" not in table.index
    assert table.loc["log_likelihood", ["a", "b", "difference"]].tolist() == [-890.0, -940.0, 50.0]


def test_cross_coherence_is_shown_under_one_of_its_names(tmp_path):
    for method, cross in (("ebm-base", 0.8), ("mmvae", 0.7)):
        run = write_run(tmp_path, method, cross=cross)
        write_measures(run, "subsets", cross_coherence_1=cross + 1e-9, cross_coherence_2=0.9)
    table = compare(tmp_path, "ebm-base", "mmvae")
    assert {"cross_coherence", "cross_coherence_1"} < set(table["metric"])
    text = markdown(table)
    assert "| cross coherence |" in text
    assert "| cross coherence 1 |" not in text
    assert "| cross coherence 2 |" in text


def test_fitted_priors_are_compared_with_their_like(tmp_path):
    for method, joint in (("ebm-base", 0.8), ("mmvae", 0.7)):
        write_prior(write_run(tmp_path, method), "mixture", joint)
    table = compare(tmp_path, "ebm-base", "mmvae").set_index(["prior", "metric"])
    assert table.loc[("mixture", "joint_coherence"), "difference"] == pytest.approx(0.1)
    assert table.loc[("own", "joint_coherence"), "difference"] == 0.0


def test_a_measure_that_has_no_better_direction_has_none_in_the_table(tmp_path):
    for method in ("ebm-base", "mmvae"):
        file = write_measures(write_run(tmp_path, method), "diversity", within_class_variance=0.5)
        edit_json(file, "measures", "within_class_variance", "better", value=None)
    assert "| within class variance |  | 0.500 |" in markdown(compare(tmp_path, "ebm-base", "mmvae"))
