"""`bench.run` does what `bench run` does."""

import pytest

import bench
from bench.api import running, tables
from bench.cli import main
from bench.errors import DataMissing, UsageError
from methods import EXTRA, METHODS


@pytest.fixture
def planned(finished, monkeypatch):
    """The runs that are asked for, none of which is executed."""
    plans = []

    def dispatch(runs, how):
        plans.append((runs, how))
        return dict.fromkeys(runs, "skipped")

    monkeypatch.setattr(running, "dispatch", dispatch)
    monkeypatch.setattr(tables, "write_report", lambda out: None)

    def plan(methods, **options):
        outcomes = bench.run(methods, "arrays", data_root=finished.data, preset="smoke", **options)
        runs, how = plans.pop()
        assert outcomes == {run.path: "skipped" for run in runs}
        return runs, how

    return plan


def test_it_leaves_what_the_command_leaves_and_finds_it_finished(finished, capsys):
    for name in ("leaderboard.csv", "leaderboard.md", "measures.csv", "priors.csv"):
        assert (finished.out / name).is_file()
    assert any((finished.out / "figures").iterdir())
    basics = ["--dataset", "arrays", "--data-root", str(finished.data), "--preset", "smoke", "--out", str(finished.out)]
    settings = ["--set", "latent_dim=3", "--set", "trainer.batch_size=16"]
    assert main(["run", "--methods", "mmvae", *basics, *settings, "--device", "cpu", "--dry-run"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["skip", "done"]
    settings = {"latent_dim": 3, "trainer.batch_size": 16}
    again = bench.run("mmvae", "arrays", preset="smoke", settings=settings, data_root=finished.data, out=finished.out)
    assert again == {finished.run: "skipped"}


def test_methods_seeds_settings_and_sweeps(planned, tmp_path):
    runs, how = planned(
        ["mmvae", "ebm-base"],
        seeds=range(2),
        settings={"prior.betas": (0.5, 0.999), "trainer.amsgrad": True, "network": "conv"},
        sweep={"beta": [0.5, 1e-5]},
        out=tmp_path / "new",
        jobs=3,
        force=True,
    )
    assert [(run.config.method, run.config.model.beta, run.seed) for run in runs] == [
        (method, beta, seed) for method in ("mmvae", "ebm-base") for beta in (0.5, 1e-5) for seed in (0, 1)
    ]
    assert runs[-1].config.model.prior.betas == (0.5, 0.999)
    assert runs[0].config.model.network.vector == "conv"
    assert runs[0].config.trainer.amsgrad
    assert (how.out, how.jobs, how.force, how.device) == (tmp_path / "new", 3, True, "auto")
    runs, how = planned("all", seeds=7)
    assert [run.config.method for run in runs] == [name for name in METHODS if name not in EXTRA]
    assert ({run.seed for run in runs}, how.jobs, str(how.out)) == ({7}, 1, "results")


def test_methods_without_a_setting_of_others_are_told(planned, caplog):
    planned(["mmvae", "ebm-base"], settings={"prior.steps": 7})
    assert caplog.messages == ["prior.steps=7 does not apply to mmvae"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": "mmvea"}, "unknown method 'mmvea': did you mean 'mmvae'"),
        ({"preset": "quik"}, "unknown preset 'quik': did you mean 'quick'"),
        ({"settings": {"betta": 1}}, "unknown key 'betta': did you mean 'beta'"),
        ({"settings": {"beta": "large"}}, "beta: expected float, got 'large'"),
        ({"jobs": 0}, "jobs=0: expected 1 to 1024 runs at once"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_done(finished, tmp_path, options, message):
    options = {"methods": "mmvae", "data_root": finished.data, "out": tmp_path / "none", **options}
    with pytest.raises(UsageError, match=message):
        bench.run(options.pop("methods"), "arrays", **options)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("dataset", "preset", "message"),
    [
        ("cub", "overnight", "unknown preset 'overnight'"),
        ("polymnist", "overnight", "'overnight' is made for the source 'official' or 'rebuilt', and this is 'bundled'"),
    ],
)
def test_a_preset_that_does_not_fit_is_told_before_data_are_made(tmp_path, monkeypatch, dataset, preset, message):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match=message):
        bench.run("mmvae", dataset, preset=preset, source="bundled", out=tmp_path / "out")
    assert not (tmp_path / "cache").exists()


def test_data_that_are_not_there_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataMissing, match=r"there is no .*nowhere/dataset.yaml"):
        bench.run("mmvae", "arrays", out=tmp_path / "out")


def test_an_interruption_is_one_in_python_too(finished, monkeypatch, tmp_path):
    monkeypatch.setattr(running, "dispatch", lambda runs, how: dict.fromkeys(runs, "interrupted"))
    with pytest.raises(KeyboardInterrupt, match="the same call resumes"):
        bench.run("mmvae", "arrays", data_root=finished.data, out=tmp_path)
    assert (tmp_path / "leaderboard.md").exists()
