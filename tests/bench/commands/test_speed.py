import json

import pandas as pd
import pytest

from bench.cli import main
from bench.speed import measure, scaling, timing

BASICS = ["speed", "--dataset", "polymnist", "--preset", "smoke", "--device", "cpu"]
SETTINGS = ["--batch-size", "16", "--rounds", "2", "--tuples", "20"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(measure, "TRAINING_ROWS", 64)


def test_the_command_measures_and_writes(tmp_path, capsys):
    files = ["--json", str(tmp_path / "speed.json"), "--csv", str(tmp_path / "speed.csv")]
    arguments = ["--methods", "mvae,ebm-generalized", "--set", "prior.steps=2"]
    assert main([*BASICS, *SETTINGS, *arguments, *files]) == 0
    result = json.loads((tmp_path / "speed.json").read_text())
    assert [row["method"] for row in result["methods"]] == ["mvae", "ebm-generalized"]
    assert {"versions", "hardware", "code"} <= set(result)
    for row in result["methods"]:
        assert row["batch_size"] == 16
        for way in ("suite", "naive"):
            step = row["training"][way]
            assert step["seconds_low"] <= step["seconds"] <= step["seconds_high"]
            assert step["samples_per_second"] == pytest.approx(16 / step["seconds"])
            assert step["share_of_matmul_peak"] == pytest.approx(
                step["flops_per_second"] / row["matmul_flops_per_second"]
            )
        assert row["evaluation"]["coherence_seconds"] > 0
    table = pd.read_csv(tmp_path / "speed.csv")
    assert list(zip(table["method"], table["way"])) == [
        (method, way) for method in ("mvae", "ebm-generalized") for way in ("naive", "suite")
    ]
    assert table["seconds"][3] == result["methods"][1]["training"]["suite"]["seconds"]
    assert table["faster_than_naive"][3] == pytest.approx(table["seconds"][2] / table["seconds"][3])
    assert set(table["threads"]) == {result["hardware"]["threads"]}
    # Every expert for every row, where the preset has one: five times the decoding.
    mvae, ebm = (row["training"] for row in result["methods"])
    assert ebm["naive"]["flops"] > 2.5 * ebm["suite"]["flops"]
    assert mvae["naive"]["flops"] > 1.2 * mvae["suite"]["flops"]  # encodes twice
    out = capsys.readouterr().out
    assert all(text in out for text in ("A training step", "Beside the naive way", "Evaluation", "ebm-generalized"))
    assert max(map(len, out.splitlines()[2:])) <= 100


def test_a_method_without_a_naive_form_has_its_row_all_the_same(capsys):
    assert main([*BASICS, *SETTINGS, "--methods", "mvae", "--set", "random_subsets=1"]) == 0
    assert "no naive form" in capsys.readouterr().out


def test_scaling_measures_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(scaling, "AXES", {"modalities": (1, 2), "Langevin steps": (2, 4)})
    monkeypatch.setattr(scaling, "PARTS", {"step": ("modalities", "Langevin steps"), "evaluation": (), "data": ()})
    monkeypatch.setattr(scaling, "TRAINING_ROWS", 64)
    files = ["--json", str(tmp_path / "scaling.json"), "--csv", str(tmp_path / "scaling.csv")]
    files += ["--plot", str(tmp_path / "scaling.png")]
    assert main([*BASICS, *SETTINGS, "--methods", "mvae,ebm-base", "--scaling", *files]) == 0
    result = json.loads((tmp_path / "scaling.json").read_text())
    assert [(fit["axis"], fit["method"]) for fit in result["exponents"]] == [
        *(("modalities", method) for method in ("mvae", "ebm-base")),
        ("Langevin steps", "ebm-base"),
    ]
    table = pd.read_csv(tmp_path / "scaling.csv")
    assert list(table["size"]) == [1, 1, 2, 2, 2, 4]
    assert {"seconds", "peak_bytes", "revision", "preset"} <= set(table)
    assert (tmp_path / "scaling.png").stat().st_size > 0
    out = capsys.readouterr().out
    assert "Milliseconds of a step, by modalities" in out
    assert "Peak MiB of a step, by Langevin steps" in out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--rounds", "1", "--rounds 1: must be 2 or more"),
        ("--tuples", "1", "--tuples 1: must be 2 or more"),
        ("--network", "convv", "did you mean 'conv'"),
        ("--batch-size", "many", "batch_size: expected"),
        ("--device", "abacus", "abacus"),
        ("--latent", "0", "--latent 0: latent_dim=0"),
        ("--dataset", "polymnst", "did you mean 'polymnist'"),
    ],
)
def test_what_is_impossible_is_a_usage_error(option, value, message, capsys):
    assert main([*BASICS, "--methods", "mvae", option, value]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure, "measure", lambda *_: pytest.fail("measured for nothing"))
    (tmp_path / "file").touch()
    json_file = str(tmp_path / "file" / "x.json")
    assert main([*BASICS, *SETTINGS, "--methods", "mvae", "--json", json_file]) == 2
    assert "cannot write there" in capsys.readouterr().err
