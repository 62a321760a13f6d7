from importlib import resources
from pathlib import Path

import pandas as pd
import pytest

import bench
from bench.reporting.leaderboard import leaderboard
from bench.reporting.markdown import markdown
from bench.reporting.published import UNMEASURED, first_rows, obstacles, published, verdict
from bench.reporting.rows import read_runs
from methods import METHODS
from tests.bench.rundirs import config_of, write_published, write_real_run, write_run

VERDICTS = ["joint_difference", "joint_verdict", "cross_difference", "cross_verdict"]
PRINTED = {"data": "official rebuilt", "preset": "paper"}
BY = "by published classifiers (trained here)"


def table_of(out):
    return leaderboard(*read_runs(out))


def row_of(**other):
    return {
        "source": "rebuilt",
        "preset": "paper",
        "published_protocol": f"joint prior {BY} n=10000, cross pairs {BY} n=10000",
        "prior": "own",
        "config": config_of(),
        **other,
    }


def write_paper_run(out, *settings, method="mmvae", joint=0.5, cross=0.6, origin="trained here", **values):
    """A run of the paper preset on rebuilt data, but for `settings`. Our own classifiers say 0.99 of everything."""
    run = write_real_run(out, config_of(method, *settings), joint=0.99, cross=0.99, **values)
    write_published(run, joint, cross, origin)


def test_values_are_joined_by_dataset_and_method(tmp_path):
    write_run(tmp_path, "mmvae")
    write_run(tmp_path, "ebm-generalized")
    write_run(tmp_path, "mmvae", dataset="toy")
    table = table_of(tmp_path).set_index(["dataset", "method"])[["published_joint", "published_cross"]]
    assert table.loc[("polymnist", "mmvae")].tolist() == [0.232, 0.844]
    assert table.loc[("polymnist", "ebm-generalized")].tolist() == [0.878, 0.897]
    assert table.loc[("toy", "mmvae")].isna().all()
    assert set(table_of(tmp_path)["published_source"]) == {"", "Yuan et al., poster"}


def test_of_several_published_tables_the_first_counts():
    first = published().iloc[[0]].assign(dataset="cub", method="mmvae", source="first", joint_coherence=0.1)
    rows = first_rows(pd.concat([published(), first, first.assign(source="second", joint_coherence=0.2)]))
    assert (rows["cub", "mmvae"]["source"], rows["cub", "mmvae"]["joint_coherence"]) == ("first", 0.1)
    assert rows["polymnist", "mmvae"]["joint_coherence"] == 0.232


def test_rows_of_the_published_preset_get_a_verdict(tmp_path):
    for seed in (0, 1):
        write_paper_run(tmp_path, seed=seed, joint=0.25, cross=0.6)  # printed: 0.232, 0.844
        write_paper_run(tmp_path, method="mvtcae", seed=seed, joint=0.1, cross=0.6)  # printed: 0.003, 0.591
    table = table_of(tmp_path).set_index("method")
    assert table.loc["mmvae", VERDICTS].tolist() == [pytest.approx(0.018), "reproduced", pytest.approx(-0.244), "below"]
    assert table.loc["mvtcae", VERDICTS].tolist() == [pytest.approx(0.097), "above", pytest.approx(0.009), "reproduced"]
    runs, failed = read_runs(tmp_path)
    text = markdown(leaderboard(runs, failed), runs, failed)
    assert "| 0.232 (+0.018) | 0.844 (-0.244) | joint reproduced, cross below |" in text
    assert "| published joint (Yuan et al., poster) |" in text


def test_one_model_gets_no_verdict(tmp_path):
    write_paper_run(tmp_path, joint=0.9, cross=0.1)
    row = table_of(tmp_path).iloc[0]
    assert row[["joint_verdict", "cross_verdict"]].tolist() == ["one model: no verdict"] * 2


def test_a_run_that_lacks_the_published_measures_says_which_command_adds_them(tmp_path):
    for seed in (0, 1):
        write_real_run(tmp_path, config_of(), seed=seed, joint=0.232, cross=0.844)  # as printed, by our classifiers
    row = table_of(tmp_path).iloc[0]
    assert [row["joint_verdict"], row["cross_verdict"]] == [f"not comparable: {UNMEASURED}"] * 2
    assert "`bench evaluate OUT --evaluators published-joint,published-cross`" in UNMEASURED
    assert row[["joint_coherence_published", "joint_difference", "published_classifier_accuracy"]].isna().all()


def test_both_protocols_stand_beside_each_other_and_are_not_averaged(tmp_path):
    for seed in (0, 1):
        write_paper_run(tmp_path, seed=seed, joint=0.2, cross=0.8)
    row = table_of(tmp_path).iloc[0]
    assert row[["joint_coherence", "cross_coherence"]].tolist() == pytest.approx([0.99, 0.99])
    assert row[["joint_coherence_published", "cross_coherence_published"]].tolist() == pytest.approx([0.2, 0.8])
    assert row["published_classifier_accuracy"] == pytest.approx(0.96)
    runs, failed = read_runs(tmp_path)
    text = markdown(leaderboard(runs, failed), runs, failed)
    assert "of the published classifiers 0.9600" in text
    assert "| joint by the published classifiers | cross by the published classifiers |" in text


def test_of_seeds_whose_published_classifiers_differ_there_is_no_mean(tmp_path):
    write_paper_run(tmp_path, seed=0)
    write_paper_run(tmp_path, seed=1, origin="the archive's weights")
    row = table_of(tmp_path).iloc[0]
    assert row["seeds"] == 2
    assert row[["joint_coherence_published", "cross_coherence_published"]].isna().all()
    assert row["joint_verdict"].startswith("not comparable: protocol joint prior by published classifiers (")


def test_the_verdict_uses_the_interval_over_seeds(tmp_path):
    for seed, joint in enumerate((0.1, 0.2, 0.15)):  # 0.15 ± 0.124: its one-model interval would end at 0.18
        write_paper_run(tmp_path, seed=seed, joint=joint)
    assert table_of(tmp_path)["joint_verdict"].tolist() == ["reproduced"]


def test_rows_that_do_not_compare_say_why_and_show_no_difference(tmp_path):
    write_run(tmp_path)
    write_paper_run(tmp_path, "trainer.epochs=3")
    bundled, changed = table_of(tmp_path)[VERDICTS].to_dict("records")
    why = "not comparable: bundled data, preset quick"
    assert [bundled["joint_verdict"], bundled["cross_verdict"]] == [why, why]
    assert changed["joint_verdict"] == "not comparable: trainer.epochs=3"
    assert table_of(tmp_path)[["joint_difference", "cross_difference"]].isna().all(axis=None)
    runs, failed = read_runs(tmp_path)
    assert f"| 0.232 | 0.844 | {why} |" in markdown(leaderboard(runs, failed), runs, failed)


def test_without_a_printed_value_there_is_no_verdict(tmp_path):
    write_run(tmp_path, dataset="toy")
    row = table_of(tmp_path).iloc[0]
    assert row[["joint_verdict", "cross_verdict"]].tolist() == ["", ""]
    assert row[["joint_difference", "cross_difference"]].isna().all()


@pytest.mark.parametrize(
    ("other", "reasons"),
    [
        ({}, []),
        ({"source": "official"}, []),
        ({"source": "bundled"}, ["bundled data"]),
        ({"preset": "quick"}, ["preset quick"]),
        *[
            ({"published_protocol": protocol}, [f"protocol {protocol}"])
            for protocol in (
                f"joint base {BY} n=10, cross pairs {BY} n=10",
                f"joint prior {BY} n=1, cross pairs {BY} n=1 each",
                "joint prior n=10, cross pairs n=10",
            )
        ],
        ({"published_protocol": "joint absent, cross absent"}, [UNMEASURED]),
        ({"published_protocol": f"joint prior {BY} n=10, cross absent"}, [UNMEASURED]),
        ({"published_protocol": "joint absent, cross absent", "preset": "quick"}, ["preset quick"]),
        ({"prior": "own"}, []),
        ({"prior": "mixture"}, ["mixture prior"]),
        ({"source": "bundled", "preset": "smoke"}, ["bundled data", "preset smoke"]),
        ({"config": {**config_of().as_dict(), "method": "of a plug-in"}}, ["settings of another version"]),
    ],
)
def test_what_keeps_a_row_from_the_published_one_is_named(other, reasons):
    assert obstacles(row_of(**other), PRINTED) == reasons


def test_the_paper_preset_with_other_settings_is_not_the_papers():
    row = row_of(config=config_of("ebm-base", "prior.scale=2", "trainer.epochs=3").as_dict())
    assert obstacles(row, PRINTED) == ["prior.scale=2.0", "trainer.epochs=3"]


@pytest.mark.parametrize(
    ("printed", "word"),
    [(0.369, "above"), (0.371, "reproduced"), (0.45, "reproduced"), (0.529, "reproduced"), (0.531, "below")],
)
def test_the_verdict_widens_the_interval_by_the_tolerance(printed, word):
    assert verdict(0.4, 0.5, printed) == word


def test_the_published_reference_is_the_packaged_one():
    reference = Path(bench.__file__).parents[1] / "results" / "reference" / "published.csv"
    assert reference.read_bytes() == (resources.files("bench.reporting") / "published.csv").read_bytes()
    assert not published().duplicated(["dataset", "method", "source"]).any()


def test_the_published_methods_are_registered():
    assert set(published()["method"]) <= set(METHODS)
