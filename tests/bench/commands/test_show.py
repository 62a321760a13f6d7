"""`bench show`."""

import re
import sys

import pytest

from bench.cli import main
from bench.commands.tables import print_table


def shown(capsys, *arguments):
    """{setting: [value, origin, meaning]}."""
    assert main(["show", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {row[0]: row[1:] for line in lines if len(row := re.split(" {2,}", line)) == 4}, lines


def test_every_setting_has_a_value_an_origin_and_a_meaning(capsys):
    settings, lines = shown(capsys, "ebm-base", "--set", "prior.steps=20")
    assert settings["prior.steps"] == ["20", "command line", "of Langevin dynamics from p0 to a sample"]
    assert settings["prior.buffer"][:2] == ["5120", "preset: trained_priors.energy"]
    assert settings["objective"] == ["iwae", "default", "bound on log p(X), the same for K = 1 [iwae, dreg]"]
    assert settings["modalities.*.scale"][:2] == ["0.75", "dataset"]
    assert lines[0] == "ebm-base: MMVAE with `prior: energy`: p(X, z) = p_α(z) Π_m p(x_m | z)."
    assert re.fullmatch(r"Yuan et al.; .*methods/ebm.py", lines[1])
    assert lines[2].endswith("quick.yaml")


def test_the_preset_can_be_chosen(capsys):
    assert shown(capsys, "mmvae", "--preset", "paper")[0]["latent_dim"] != shown(capsys, "mmvae")[0]["latent_dim"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mmvea"], "did you mean 'mmvae'"),
        (["mmvae", "--preset", "quik"], "did you mean 'quick'"),
        (["mmvae", "--dataset", "polymnits"], "did you mean 'polymnist'"),
        (["mmvae", "--source", "bundeld"], "did you mean 'bundled'"),
        (["mmvae", "--set", "beat=1"], "did you mean 'beta'"),
    ],
)
def test_bad_usage_is_explained(capsys, arguments, message):
    assert main(["show", *arguments]) == 2
    assert message in capsys.readouterr().err


class Terminal:
    """In place of stdout."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text
        return len(text)

    def flush(self):
        pass


def test_a_table_is_folded_to_a_terminal_and_nothing_in_it_is_markup(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    print_table([("name", "[red]word[/red] " * 6), ("\x1b[31m", ":smile:")])
    lines = terminal.text.splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 40 for line in lines)
    assert terminal.text.count("[red]") == 6
    assert "\\x1b[31m  :smile:" in terminal.text
    assert "\x1b" not in terminal.text.replace("\x1b[?", "")


def test_a_table_on_a_pipe_has_a_line_for_each_row(capsys):
    print_table([("a", "b" * 300), ("\x1b[31mred\nline", "[b]")], header=("x", "y"))
    assert capsys.readouterr().out.splitlines() == [
        f"x{' ' * 17}y",
        f"a{' ' * 17}{'b' * 300}",
        "\\x1b[31mred line  [b]",
    ]
