"""`--sweep` on the command line."""

from bench.cli import main

RUN = ["run", "--dataset", "polymnist", "--source", "bundled", "--preset", "smoke", "--dry-run"]


def test_a_sweep_multiplies_the_runs_of_the_methods_that_have_the_key(capsys, tmp_path):
    sweeps = ["--sweep", "trainer.lr=1e-3,5e-4", "--sweep", "prior.steps=2,7"]
    assert main([*RUN, "--methods", "mmvae,ebm-base", "--seeds", "0-1", *sweeps, "--out", str(tmp_path / "out")]) == 0
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert [sum(f"/{method}/" in line for line in lines) for method in ("mmvae", "ebm-base")] == [4, 8]
    assert sum("prior.steps=7" in line and "trainer.lr=0.0005" in line for line in lines) == 2
    assert len({line.split()[4] for line in lines}) == 12
    assert "bench: prior.steps=2,7 does not apply to mmvae\n" in errors
    assert "trainer.lr" not in errors


def test_a_bad_sweep_is_bad_usage(capsys):
    assert main([*RUN, "--methods", "mmvae", "--sweep", "trainer.lr=1e-3", "--set", "trainer.lr=1e-3"]) == 2
    assert "trainer.lr: both set and swept" in capsys.readouterr().err
