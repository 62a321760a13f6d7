"""From `--sweep` on the command line to rows of the leaderboard that can be told apart."""

import pandas as pd
import pytest
import yaml

from bench.cli import main
from bench.config.resolve import resolve
from bench.config.settings import differing
from bench.reporting.statistics import settings_of
from bench.runner import plain
from tests.bench.conftest import tables, write_run

RUN = ["run", "--dataset", "polymnist", "--source", "bundled", "--preset", "smoke", "--dry-run"]


def config_of(*settings, method="ebm-base", preset="quick"):
    """As a run's config.yaml has it, and its hash."""
    (config,) = resolve([method], "polymnist", "bundled", preset, settings)
    return yaml.safe_load(yaml.safe_dump(plain(config.as_dict()))), config.hash


def write_configured(out, *settings, method="ebm-base", seed=0, **measured):
    config, config_hash = config_of(*settings, method=method)
    path = write_run(out, method, seed, config_hash=config_hash, **measured)
    (path / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_sweep_multiplies_the_runs_of_the_methods_that_have_the_key(capsys, tmp_path):
    sweeps = ["--sweep", "trainer.lr=1e-3,5e-4", "--sweep", "prior.steps=2,7"]
    assert main([*RUN, "--methods", "mmvae,ebm-base", "--seeds", "0-1", *sweeps, "--out", str(tmp_path / "out")]) == 0
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert [sum(f"/{method}/" in line for line in lines) for method in ("mmvae", "ebm-base")] == [4, 8]
    assert sum("prior.steps=7" in line and "trainer.lr=0.0005" in line for line in lines) == 2
    assert len({line.split()[4] for line in lines}) == 12
    assert "bench: --sweep prior.steps=2,7 does not apply to mmvae\n" in errors
    assert "trainer.lr" not in errors


def test_a_bad_sweep_is_bad_usage(capsys):
    assert main([*RUN, "--methods", "mmvae", "--sweep", "trainer.lr=1e-3", "--set", "trainer.lr=1e-3"]) == 2
    assert "trainer.lr: given to --set and to --sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ([], ""),
        (["trainer.lr=5e-4", "prior.steps=20"], "prior.steps=20 trainer.lr=0.0005"),
        (["prior.betas=[0.1, 0.2]"], "prior.betas=[0.1,0.2]"),
        (["evaluation.samples=7", "trainer.amsgrad=true"], "trainer.amsgrad=true evaluation.samples=7"),
        (["network=conv", "prior.family=laplace"], "network=conv prior.family=laplace"),
    ],
)
def test_settings_are_those_that_the_preset_does_not_have(settings, text):
    assert settings_of(config_of(*settings)[0]) == text
    assert config_of(*text.split())[1] == config_of(*settings)[1]  # and can be given to --set again


def test_configurations_of_another_version_are_told_as_such():
    assert settings_of({**config_of()[0], "method": "vanished"}) == "(of another version)"


def test_configurations_are_told_apart_by_what_they_do_not_share():
    configs = [config_of(*settings)[0] for settings in (["prior.steps=5"], ["prior.steps=6", "beta=3"])]
    assert differing(configs) == ["beta=1.0 prior.steps=5", "beta=3.0 prior.steps=6"]
    assert differing(configs[:1]) == [""]


def test_the_leaderboard_groups_by_the_swept_settings(tmp_path):
    for steps, joints in ((20, (0.5, 0.6)), (60, (0.7, 0.8))):
        for seed, joint in enumerate(joints):
            write_configured(tmp_path, f"prior.steps={steps}", seed=seed, joint=joint)
    write_configured(tmp_path, joint=0.9)
    write_configured(tmp_path, method="mmvae", joint=0.1)
    tables(tmp_path)
    table = pd.read_csv(tmp_path / "leaderboard.csv", keep_default_na=False)
    assert table[["method", "settings", "seeds", "joint_coherence"]].to_numpy().tolist() == [
        ["ebm-base", "", 1, pytest.approx(0.9)],
        ["ebm-base", "prior.steps=60", 2, pytest.approx(0.75)],
        ["ebm-base", "prior.steps=20", 2, pytest.approx(0.55)],
        ["mmvae", "", 1, pytest.approx(0.1)],
    ]
    header, _, *rows = [line for line in (tmp_path / "leaderboard.md").read_text().splitlines() if line[:1] == "|"][:6]
    assert header.endswith("| config | settings |")
    assert [row.split("|")[-2].strip() for row in rows] == ["", "prior.steps=60", "prior.steps=20", ""]
    assert len({row.count("|") for row in (header, *rows)}) == 1


def test_without_changed_settings_the_page_has_no_column_of_them(tmp_path):
    write_configured(tmp_path)
    tables(tmp_path)
    assert "settings" not in (tmp_path / "leaderboard.md").read_text()


def test_a_failure_tells_its_settings(tmp_path):
    write_configured(tmp_path, "prior.lr=9", error={"kind": "diverged", "type": "Diverged", "message": "loss is nan"})
    tables(tmp_path)
    assert "| diverged: loss is nan | prior.lr=9.0 |" in (tmp_path / "leaderboard.md").read_text()
