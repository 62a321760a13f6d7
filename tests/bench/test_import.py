"""`import bench` is quick, and its names are there."""

import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).parents[2]


def test_importing_bench_imports_nothing_heavy():
    code = "import sys, bench; print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_prepares_runs_imports_no_pandas():
    """Which takes a third as long again, where all runs are there and the tables go to a file."""
    code = (
        "import sys, bench.api.running, bench.commands.report, bench.execution.dispatch\n"
        "print([name for name in ('pandas', 'scipy.stats', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_its_names():
    assert {name: getattr(bench, name).__name__ for name in ("Model", "load", "results", "run")} == {
        **{"Model": "Model", "load": "load", "results": "results", "run": "run"}
    }
    with pytest.raises(AttributeError, match="module 'bench' has no attribute 'lod'"):
        _ = bench.lod


def test_dir_and_help_name_them():
    code = "import sys, bench; print(dir(bench)); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names, torch = done.stdout.splitlines()
    assert all(repr(name) in names for name in ("Model", "load", "results", "run", "__version__"))
    assert torch == "False"
    text = pydoc.plain(pydoc.render_doc(bench))
    assert all(f"    {name}(" in text for name in ("load", "results", "run"))
    assert "class Model(" in text


@pytest.mark.parametrize("package", ["bench", "methods", "evaluators"])
def test_packages_say_that_they_are_typed(package):
    assert (ROOT / package / "py.typed").is_file()
    assert "* = py.typed" in (ROOT / "setup.cfg").read_text()
