"""Shells ask, and are answered: the code that bash is given, and the process that it starts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.commands.completion import SHELLS
from bench.datasets.cache import cached
from bench.runs.cache_entries import entries
from bench.runs.store import cache_root
from methods import METHODS
from tests.bench.execution.folders import RUN

ROOT = Path(__file__).parents[3]


@pytest.fixture
def complete(tmp_path):
    """What the process answers that completion starts for a line."""

    def ask(line):
        answer = tmp_path / "answer"
        asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
        asked |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_IFS": "\n"}
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, **asked, "PYTHONPATH": path}
        subprocess.run([sys.executable, "-m", "bench"], env=environment, cwd=tmp_path, check=False, capture_output=True)
        return [word.strip() for word in answer.read_text().splitlines()]

    return ask


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_code(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "bench" in capsys.readouterr().out


@pytest.fixture
def shell(tmp_path):
    """What a script prints in a shell that knows `bench`, in an empty folder."""
    program = tmp_path / "bin" / "bench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bench "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": path}

    def run(*command):
        if not shutil.which(command[0]):
            pytest.skip(f"there is no {command[0]} here")
        options = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True}
        return subprocess.run(command, check=True, timeout=60, **options).stdout

    return run


TYPED = [
    ("bench show ebm", ["ebm-generalized", "ebm-base"]),
    ("bench run --methods ebm-base --dataset polymnist --set prior.step", ["prior.steps=", "prior.step_size="]),
    ("bench run --methods ebm-base --dataset polymnist --set latent", ["latent_dim="]),
    ("bench run --methods mmvae --set prior=flow --sweep prior.", ["prior.couplings=", "prior.width="]),
    ("bench run --methods mmvae --set objective=", ["objective=iwae", "objective=dreg"]),
    ("bench compare eb", ["ebm-generalized", "ebm-base"]),
]


@pytest.mark.parametrize(("line", "words"), TYPED)
def test_bash_completes_what_is_typed(shell, line, words):
    script = f"""
    eval "$(bench completion bash)"
    COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=($COMP_LINE); COMP_CWORD=2; COMP_TYPE=9
    compopt() {{ echo "compopt $@"; }}
    _python_argcomplete bench
    echo "${{COMPREPLY[@]}}"
    """
    *options, answer = shell("bash", "-c", script).splitlines()
    typed = line.split()[-1].rpartition("=")[0]  # `=` ends a word of bash: what is before it is there already
    assert answer.split() == [word.removeprefix(f"{typed}=") for word in words]
    assert ("compopt -o nospace" in options) == answer.endswith("=")


@pytest.mark.parametrize(("line", "words"), TYPED)
def test_fish_completes_what_is_typed(shell, line, words):
    answer = shell("fish", "--no-config", "-c", f"bench completion fish | source; complete -C '{line}'")
    assert sorted(offered.partition("\t")[0] for offered in answer.splitlines()) == sorted(words)


@pytest.mark.parametrize(("line", "words"), TYPED)
def test_zsh_completes_what_is_typed(shell, line, words):
    """As its completion system is answered: `_describe` is given `word:meaning`, and -S '' for no space after it."""
    script = f"""
    compdef() {{ }}
    is-at-least() {{ true }}
    _describe() {{ print -l -- $completions; print -- "$@" }}
    eval "$(bench completion zsh)"
    BUFFER="{line}"; CURSOR=${{#BUFFER}}; words=(bench)
    _python_argcomplete
    """
    *answer, options = shell("zsh", "-f", "-c", script).splitlines()
    assert [offered.partition(":")[0] for offered in answer] == words
    assert (" -S" in options) == words[0].endswith("=")


def test_commands_options_and_names_are_completed(complete):
    assert {"run", "show", "doctor", "cache"} <= set(complete("bench "))
    assert complete("bench run --data-r") == ["--data-root"]
    assert complete("bench run --methods mmvae,eb") == ["mmvae,ebm-generalized", "mmvae,ebm-base"]
    assert complete("bench run --methods ") == [*METHODS, "all"]
    assert "mmvae,mmvae" not in complete("bench run --methods mmvae,mmv")
    assert sorted(complete("bench run --dataset polymnist --preset ")) == ["overnight", "paper", "quick", "smoke"]
    assert complete("bench evaluate x --prior mix") == ["mixture"]


def test_runs_are_completed(complete, tmp_path):
    (tmp_path / "here" / RUN).mkdir(parents=True)
    name = RUN.removeprefix("runs/")
    assert complete("bench logs --out here poly") == [name]
    assert complete("bench cancel --out here poly") == [name]
    assert complete("bench logs --out nowhere poly") == []
    assert complete("bench evaluate he") == ["here/"]


def test_configurations_that_have_runs_are_compared(complete, tmp_path):
    (tmp_path / "here" / RUN).mkdir(parents=True)
    assert complete("bench compare --out here ebm-base mmvae@") == ["mmvae@0123abcd"]
    assert complete("bench compare --out here mopoe@") == []
    assert complete("bench compare --out nowhere mmvae@") == []


def test_entries_of_the_cache_are_completed(complete):
    assert complete("bench cache clear t") == []
    cached("toy/bundled", 1, [], lambda: {"x": np.zeros(3, np.uint8)})
    assert complete("bench cache clear t") == [entries(cache_root())[0].name]


def test_to_complete_a_name_imports_no_torch(tmp_path):
    code = (
        "import sys\nfrom bench.cli import parser\nfrom bench.commands.completion import COMPLETERS\n"
        "import argparse, pathlib\nparser()\n"
        "space = argparse.Namespace(out=pathlib.Path('none'), dataset=None, methods=None)\n"
        "for completer in COMPLETERS.values(): list(completer(prefix='', parsed_args=space))\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
