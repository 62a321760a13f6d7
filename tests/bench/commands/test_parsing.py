"""What the parser says of a command line that it cannot take."""

import pytest

from bench.cli import COMMANDS, main


def refused(capsys, line):
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    return capsys.readouterr().err


def test_without_a_command_they_are_named(capsys):
    said = refused(capsys, "")
    assert "COMMAND: one of: run, status, logs" in said
    assert "`bench --help` says what each does" in said
    assert len(COMMANDS) == 17
    assert "ACTION: one of: fetch, show, check" in refused(capsys, "data")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rnu", "bench: error: unknown command 'rnu': did you mean 'run'? (allowed: run, status"),
        ("data fetc cub", "unknown action 'fetc': did you mean 'fetch'? (allowed: fetch, show, check)"),
        ("list methds", "unknown kind 'methds': did you mean 'methods'?"),
        ("completion bsh", "unknown shell 'bsh': did you mean 'bash'?"),
        ("report --format txt", "unknown format 'txt'"),
        ("run --methods mmvae", "required: --dataset\n  --dataset: one of: polymnist, cub, arrays"),
        ("run --dataset cub", "required: --methods\n  --methods: all (but"),
        ("evaluate", "required: RUN\n  RUN: run directories, or folders of them"),
        ("show", "required: METHOD\n  METHOD: one of: ebm-generalized"),
        ("run --methods mmvae --dataset cub --jobs four", "--jobs: expected a whole number in decimal digits"),
    ],
)
def test_what_is_missing_or_unknown_is_explained(capsys, line, message):
    assert message in refused(capsys, line)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("--methods mmvae ebm-base", "ebm-base. --methods takes one list, with commas: --methods mmvae,ebm-base"),
        ("--methods mmvae, mvae, mopoe --seeds 0", "with commas: --methods mmvae,mvae,mopoe\n"),
        ("--methods=mmvae mvae", "with commas: --methods mmvae,mvae"),
        ("--methods mmvae --seeds 0 1 2", "--seeds takes one list, with commas: --seeds 0,1,2"),
        ("--methods mmvae --sweep beta=1 2", "with commas: --sweep beta=1,2"),
        ("--methods mmvae --set beta=1 latent_dim=3", "may be given again: --set latent_dim=3"),
        ("--methods mmvae --presett smoke", "--presett smoke (did you mean --preset?)"),
        ("--methods mmvae --out a b", "unrecognized arguments: b\n"),
    ],
)
def test_words_that_nothing_takes_are_explained(capsys, words, hint):
    said = refused(capsys, f"run --dataset polymnist {words}")
    assert said.startswith("usage: bench run ")
    assert "bench run: error: unrecognized arguments: " in said
    assert hint in said


def test_control_characters_do_not_reach_the_terminal(capsys):
    assert "\x1b" not in refused(capsys, "run --dataset polymnist --methods mmvae \x1b[31m")
