import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from rich.cells import cell_len

import bench
from bench.cli import main
from bench.commands.describing import describe
from bench.commands.listing import KINDS
from bench.datasets.polymnist import POLYMNIST
from methods import METHODS, registry


def rows(capsys, *arguments):
    """The lines of `bench list`, each as its columns."""
    assert main(["list", *arguments]) == 0
    return [re.split(" {2,}", line) for line in capsys.readouterr().out.splitlines()]


def test_without_an_argument_everything_is_listed(capsys):
    listed = rows(capsys)
    assert [row[0].removesuffix(":") for row in listed if row[0].endswith(":")] == KINDS
    names = {row[0] for row in listed}
    assert names >= {"ebm-generalized", "mixture", "polymnist", "polymnist quick", "frechet-cross"}


@pytest.mark.parametrize("what", KINDS)
def test_every_entry_is_a_line_that_is_like_no_other(capsys, what):
    listed = rows(capsys, what)
    summaries = [row[1] for row in listed]
    assert len(set(summaries)) == len(listed)
    assert all(len(summary) > 10 for summary in summaries)
    assert all((Path(bench.__file__).parents[1] / row[-1]).is_file() or Path(row[-1]).is_file() for row in listed)


def test_a_preset_is_described_by_a_whole_sentence(capsys):
    said = {row[0]: row[1] for row in rows(capsys, "presets")}
    assert said["polymnist quick"] == "Minutes on two cores"
    assert said["cub paper"].endswith("the MMVAE+ release for those with private latents (residual)")


def test_paths_stay_whole_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    monkeypatch.setenv("COLUMNS", "100")
    for what in ("methods", "priors", "presets"):
        files = [row[-1] for row in _piped(capsys, monkeypatch, what)]
        assert main(["list", what]) == 0
        said = capsys.readouterr().out
        assert max(map(cell_len, said.splitlines())) <= 100
        assert all(file in said for file in files)


def _piped(capsys, monkeypatch, what):
    with monkeypatch.context() as pipe:
        pipe.setattr(type(sys.stdout), "isatty", lambda self: False)
        return rows(capsys, what)


def test_papers_are_named(capsys):
    papers = {row[0]: row[2] for row in rows(capsys, "methods")}
    assert papers["mmvae"] == "Shi et al. 2019"
    assert papers["mvae"] == "Wu and Goodman 2018"
    assert papers["moe-elbo"] == "Sutter et al. 2021; Hwang et al. 2021"
    assert papers["ebm-base"] == "Yuan et al."


def test_the_sources_of_a_dataset_are_looked_for(capsys, tmp_path):
    said = {name: sources for name, _, sources, _ in rows(capsys, "datasets", "--data-root", str(tmp_path))}
    usual = "found: bundled; not found: official, rebuilt"
    assert said == {"polymnist": usual, "cub": usual, "arrays": "not found: folder"}


def test_a_dataset_that_cannot_look_for_its_sources_says_why(capsys, monkeypatch, tmp_path):
    def refuse(self, source, data_root):
        raise ValueError("a fault of its own")

    monkeypatch.setattr(type(POLYMNIST), "missing", refuse)
    row, *_ = rows(capsys, "datasets")
    assert row[2] == "ValueError: a fault of its own"


def test_to_list_names_imports_no_torch():
    kinds = [kind for kind in KINDS if kind != "datasets"]
    command = f"import sys; from bench.cli import main; [main(['list', kind]) for kind in {kinds}]"
    command += "; sys.exit('torch' in sys.modules)"
    folder = Path(bench.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", command], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def install(monkeypatch, **targets):
    points = [EntryPoint(name, target, "bench.methods") for name, target in targets.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "bench.methods" else [])
    monkeypatch.delitem(METHODS.__dict__, "targets", raising=False)


@pytest.fixture(autouse=True)
def _registry_of_before():
    yield
    METHODS.__dict__.pop("targets", None)


def test_a_package_that_is_broken_is_listed_as_that(monkeypatch, capsys, tmp_path):
    (tmp_path / "half.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    install(monkeypatch, gone="no_such_package.vae:VAE", half="half:VAE", inner="json.nothing:VAE")
    assert main(["list", "methods"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^gone +cannot be found: there is no module no_such_package.vae", printed, re.MULTILINE)
    assert re.search(r"^half +cannot be read: ", printed, re.MULTILINE)
    assert re.search(r"^inner +cannot be found: there is no module json.nothing", printed, re.MULTILINE)
    assert printed.count("(installed package)") == 3
    assert "mmvae" in printed


def test_a_name_that_two_packages_registered_is_told(monkeypatch, capsys):
    install(monkeypatch, mmvae="elsewhere:MMVAE")
    assert main(["list", "methods"]) == 2
    assert "two methods are called 'mmvae'" in capsys.readouterr().err


def test_what_is_passed_on_is_described_where_it_is_made(tmp_path, monkeypatch):
    package = tmp_path / "far"
    package.mkdir()
    (package / "__init__.py").write_text('"""The package."""\nfrom far.made import Thing as THING\n')
    (package / "made.py").write_text('"""The module."""\nclass Thing:\n    """A thing.\n\n    More.\n    """\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert describe("far", "THING", whole=False).summary == "A thing."
    assert describe("far", "THING", whole=True).summary == "The module."
    assert describe("far", "OTHER", whole=False).summary == "The package."
