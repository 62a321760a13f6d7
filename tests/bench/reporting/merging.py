"""Finished runs to merge, and what `bench merge` says of them."""

from bench.cli import main
from tests.bench.rundirs import config_of, with_intervals, write_prior, write_real_run

MMVAE, MOPOE = config_of("mmvae", "trainer.epochs=2"), config_of("mopoe", "trainer.epochs=2")


def write(out, config=MMVAE, seed=0, **values):
    run = write_real_run(out, config, seed, **values)
    write_prior(run, "flow", 0.8)
    (run / "checkpoint.pt").write_bytes(b"a model")
    (run / "samples_joint.png").write_bytes(b"a picture")
    (run / "lock").write_text("{}")
    return with_intervals(run)


def content(folder):
    """{file: bytes} of all that is below."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def told(capsys, *arguments):
    """Exit code, and what was printed."""
    code = main(["merge", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err
