"""The command line, as a user meets it: subprocesses, exit codes, and what they leave behind."""

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from PIL import Image

from bench.cli import main
from bench.commands.arguments import parse_methods, parse_seeds
from bench.errors import UsageError
from bench.reporting.leaderboard import COLUMNS
from methods import EXTRA, METHODS
from tests.bench.conftest import run_folder

ALL = [name for name in METHODS if name not in EXTRA]


def picture_size(path):
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture(scope="session")
def smoke(bench, tmp_path_factory):
    """The README's command, with the smallest preset: (its result, its output folder)."""
    out = tmp_path_factory.mktemp("smoke") / "out"
    return bench("run", "--methods", "all", "--dataset", "polymnist", "--preset", "smoke", "--out", out), out


def test_all_methods_run_from_one_command(smoke):
    result, out = smoke
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(out / "leaderboard.csv")
    assert list(table.columns) == COLUMNS
    assert sorted(table["method"]) == sorted(ALL)
    assert set(table["source"]) == {"bundled"}
    assert table["data_fingerprint"].nunique() == 1
    assert table[["joint_coherence", "cross_coherence", "classifier_accuracy", "train_seconds"]].notna().all().all()
    assert table["classifier_accuracy"].between(0.97, 1.0).all()
    assert all(name in result.stdout for name in ALL)
    assert "bundled" in result.stderr


def test_every_row_can_be_traced(smoke):
    _, out = smoke
    for name in ALL:
        provenance = json.loads((run_folder(out, name) / "provenance.json").read_text())
        assert provenance["data"]["source"] == "bundled"
        assert re.fullmatch(r"[0-9a-f]{64}", provenance["data"]["fingerprint"])
        assert len(provenance["classifier_accuracy"]) == 6
        assert {"versions", "hardware", "code", "argv", "seed", "config_hash"} <= set(provenance)


def test_pictures_are_there(smoke):
    _, out = smoke
    for name in ("coherence", "cross-coherence", "training"):
        assert picture_size(out / "figures" / f"polymnist-bundled-smoke-{name}.png")[0] > 300
    assert picture_size(run_folder(out, "mmvae") / "samples_joint.png") == (20 * 28 * 3, 5 * 28 * 3)
    assert picture_size(run_folder(out, "mmvae") / "samples_cross.png") == (5 * 10 * 28 * 2 + 4 * 4, 6 * 28 * 2)


def test_finished_runs_are_skipped(smoke, bench):
    _, out = smoke
    before = (run_folder(out, "mmvae") / "training.json").stat()
    table = (out / "leaderboard.md").stat()
    again = bench("run", "--methods", "all", "--dataset", "polymnist", "--preset", "smoke", "--out", out)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("skipped") == len(ALL)
    assert (run_folder(out, "mmvae") / "training.json").stat().st_mtime_ns == before.st_mtime_ns
    # Nothing is drawn again for nothing, but shown it is.
    assert (out / "leaderboard.md").stat().st_mtime_ns == table.st_mtime_ns
    assert "# Leaderboard" in again.stdout


def test_report_is_rebuilt_from_the_runs(smoke, bench):
    _, out = smoke
    before = (out / "leaderboard.csv").read_text()
    tables = [out / name for name in ("leaderboard.csv", "leaderboard.md", "measures.csv", "priors.csv")]
    for path in (*tables, *out.glob("figures/*")):
        path.unlink()
    result = bench("report", "--out", out)
    assert result.returncode == 0, result.stderr
    assert (out / "leaderboard.csv").read_text() == before
    assert all(path.exists() for path in tables)
    assert len(list(out.glob("figures/*.png"))) == 6


def test_dry_run_writes_nothing(bench, tmp_path):
    out = tmp_path / "out"
    result = bench("run", "--methods", "all", "--dataset", "polymnist", "--seeds", "0-2", "--out", out, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 3 * len(ALL)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "mmvea"], "did you mean 'mmvae'"),
        (["--methods", ""], "names no method"),
        (["--preset", "quik"], "did you mean 'quick'"),
        (["--source", "bundeld"], "did you mean 'bundled'"),
        (["--seeds", "2-0"], "the range 2-0 is backwards"),
        (["--set", "beat=1"], "did you mean 'beta'"),
        (["--set", "trainer.lr"], "expected KEY=VALUE"),
        (["--set", "trainer.epochs=many"], "expected int, got 'many'"),
        (["--set", "trainer.epochs=0"], "must be ≥ 1"),
        (["--set", "prior=cauchy"], "allowed: laplace, normal"),
        (["--device", "abacus"], "expected auto, cpu, cuda, cuda:N"),
    ],
)
def test_bad_usage_is_explained(capsys, arguments, message):
    options = {"--methods": "mmvae", "--dataset": "polymnist"}
    flags = [part for key, value in options.items() if key not in arguments for part in (key, value)]
    assert main(["run", *flags, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_unknown_dataset_is_explained(capsys):
    assert main(["run", "--methods", "mmvae", "--dataset", "polymnits"]) == 2
    assert "did you mean 'polymnist'" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["official", "rebuilt"])
def test_missing_data_has_its_own_exit_code(capsys, tmp_path, source):
    arguments = ["--methods", "mmvae", "--dataset", "polymnist", "--source", source, "--data-root", str(tmp_path)]
    assert main(["run", *arguments]) == 3
    assert str(tmp_path) in capsys.readouterr().err


def test_report_without_runs_is_missing_data(tmp_path):
    assert main(["report", "--out", str(tmp_path)]) == 3


def test_a_bad_command_line_ends_the_process_with_its_exit_code(bench):
    result = bench("run", "--methods", "mmvea", "--dataset", "polymnist")
    assert result.returncode == 2
    assert "did you mean 'mmvae'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_finished_run_is_evaluated_under_another_prior(smoke, bench, tmp_path):
    _, out = smoke
    folder = tmp_path / "out"
    source = run_folder(out, "mvae")
    shutil.copytree(source, folder / source.relative_to(out))
    result = bench("evaluate", folder, "--prior", "mixture")
    assert result.returncode == 0, result.stderr
    assert "prior mixture: joint coherence" in result.stderr
    assert list(pd.read_csv(folder / "leaderboard.csv")["prior"]) == ["own", "mixture"]
    assert "skipped" in bench("evaluate", folder, "--prior", "mixture").stderr


def test_priors_and_runs_that_are_not_there_are_explained(capsys, tmp_path):
    assert main(["evaluate", str(tmp_path), "--prior", "mixtur"]) == 2
    assert "did you mean 'mixture'" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path), "--prior", "all"]) == 3


def test_help_and_lists_do_not_import_torch(bench):
    code = (
        "import sys; from bench.cli import main\n"
        "assert main(['list', 'methods']) == main(['list', 'evaluators']) == main(['list', 'presets']) == 0\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert not {'torch', 'pandas', 'matplotlib', 'yaml'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Mixture of experts" in result.stdout


def test_data_commands(bench, tmp_path):
    shown = bench("data", "show", "polymnist", "--source", "bundled", "--picture", tmp_path / "sheet.png")
    assert shown.returncode == 0, shown.stderr
    assert picture_size(tmp_path / "sheet.png") == (10 * 28 * 3, 5 * 28 * 3)
    checked = bench("data", "check", "polymnist", "--source", "bundled")
    assert "28000 training and 5000 test tuples" in checked.stdout


def test_seeds_and_methods_are_parsed():
    assert parse_seeds("0-2,7,1") == [0, 1, 2, 7]
    assert parse_methods("all") == ALL
    assert parse_methods("mmvaeplus,mmvae,mmvaeplus") == ["mmvaeplus", "mmvae"]
    for bad in ("", "a", "1-", "-1", "1,,2"):
        with pytest.raises(UsageError, match="seeds"):
            parse_seeds(bad)
