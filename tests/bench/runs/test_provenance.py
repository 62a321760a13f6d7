import shutil
import subprocess

import pytest
import torch

import bench
from bench.runs import provenance
from bench.runs.run import Run
from bench.runs.store import write_json
from tests.bench.conftest import tiny_config

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git repository with one commit that holds the package: runs git in it."""

    def git(*arguments):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("one = 1\n")
    (tmp_path / "other").write_text("text")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "bench" / "__init__.py"))
    return git


@needs_git
def test_a_checkout_tells_its_revision_and_whether_it_was_changed(checkout, tmp_path):
    code = provenance.code()
    assert (code["revision"], code["dirty"]) == (checkout("rev-parse", "HEAD"), False)
    assert code["version"] == bench.__version__
    (tmp_path / "other").write_text("changed")
    assert provenance.code()["dirty"] is True


@needs_git
def test_a_package_inside_somebody_elses_repository_has_no_revision(checkout, monkeypatch):
    checkout("rm", "-q", "-r", "--cached", "bench")
    monkeypatch.setattr(provenance, "_direct_url", lambda: None)
    assert provenance.code()["revision"] is None
    assert provenance.code()["dirty"] is None


@pytest.mark.parametrize(("origin", "revision"), [({"vcs_info": {"commit_id": "abc"}}, "abc"), ({"url": "x"}, None)])
def test_an_installed_package_has_the_revision_that_pip_recorded(tmp_path, monkeypatch, origin, revision):
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(provenance, "_direct_url", lambda: origin)
    assert provenance.code()["revision"] == revision


def test_code_is_described_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(provenance, "_direct_url", lambda: None)
    assert provenance.code()["revision"] is None
    assert len(provenance.code()["sha256"]) == 16


def test_the_source_hash_covers_names_and_contents_of_code_and_presets(tmp_path, monkeypatch):
    package = tmp_path / "a_package_of_this_test"
    (package / "presets").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "presets" / "a.yaml").write_text("a: 1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(provenance, "PACKAGES", (package.name,))
    hashes = [provenance.source_hash()]
    (package / "notes.txt").write_text("not code")
    assert provenance.source_hash() == hashes[0]
    for name, content in (("presets/a.yaml", "a: 2"), ("new.py", ""), ("__init__.py", "x = 1")):
        (package / name).write_text(content)
        hashes.append(provenance.source_hash())
    (package / "new.py").rename(package / "other.py")
    assert len({*hashes, provenance.source_hash()}) == 5


def test_the_environment_names_libraries_and_hardware():
    environment = provenance.environment(torch.device("cpu"))
    assert {"python", *provenance.LIBRARIES} == set(environment["versions"])
    assert environment["versions"]["torch"] == torch.__version__
    hardware = environment["hardware"]
    assert (hardware["device"], hardware["threads"]) == ("cpu", torch.get_num_threads())
    assert hardware["cores"] >= 1
    assert all(hardware[key] for key in ("name", "host", "system"))


@pytest.mark.parametrize("content", ["", "[]", '{"sessions": 3}', "{"])
def test_a_damaged_record_of_earlier_sessions_ends_nothing(tmp_path, content):
    run = Run(tiny_config(), 0, tmp_path)
    run.path.mkdir(parents=True)
    run.checkpoint_file.touch()
    run.provenance_file.write_text(content)
    given = {"data": {}, "classifier_accuracy": {}, "acceleration": {}}
    found = provenance.describe(run, torch.device("cpu"), **given)
    assert len(found["sessions"]) == 1


def test_earlier_sessions_are_kept_and_the_first_ones_code_counts(tmp_path):
    run = Run(tiny_config(), 0, tmp_path)
    given = {"data": {}, "classifier_accuracy": {}, "acceleration": {}}
    first = provenance.describe(run, torch.device("cpu"), **given)
    write_json(run.provenance_file, {**first, "started": "then", "code": {"version": "0"}})
    run.checkpoint_file.touch()
    again = provenance.describe(run, torch.device("cpu"), **given)
    assert (len(again["sessions"]), again["started"], again["code"]) == (2, "then", {"version": "0"})
