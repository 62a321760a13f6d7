import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import bench
from bench.cli import main
from bench.commands.listing import KINDS, describe
from methods import METHODS, registry


def test_without_an_argument_everything_is_listed(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert re.findall(r"^(\w+):$", printed, re.MULTILINE) == KINDS
    for name in ("ebm-generalized", "mixture", "polymnist", "polymnist quick", "frechet-cross"):
        assert re.search(rf"^{name} +\S", printed, re.MULTILINE)


@pytest.mark.parametrize("what", KINDS)
def test_no_two_entries_have_one_description(capsys, what):
    assert main(["list", what]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    summaries = [line[22:].strip() for line in lines]
    assert len(set(summaries)) == len(lines)
    assert all(len(summary) > 10 for summary in summaries)


def test_to_list_imports_no_torch():
    command = "import sys; from bench.cli import main; main(['list']); sys.exit('torch' in sys.modules)"
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
    assert describe("far", "THING", alone=False)[0] == "A thing."
    assert describe("far", "THING", alone=True)[0] == "The module."
    assert describe("far", "OTHER", alone=False)[0] == "The package."
