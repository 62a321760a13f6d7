"""When Python looks for cycles of objects."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from bench.runs.cycles import collected_apart, uncollected

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("within", [uncollected, collected_apart])
@pytest.mark.parametrize("on", [True, False])
def test_afterwards_it_is_as_it_was(within, on):
    before = gc.isenabled()
    (gc.enable if on else gc.disable)()
    try:
        with within():
            assert not gc.isenabled()
        assert gc.isenabled() is on
        with pytest.raises(ZeroDivisionError), within():
            _ = 1 / 0
        assert gc.isenabled() is on
    finally:
        (gc.enable if before else gc.disable)()


def test_only_what_is_made_within_is_looked_through():
    with collected_apart():
        assert gc.get_freeze_count() > 1000
        cycle = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() > 0
    assert gc.get_freeze_count() == 0


def test_a_command_does_not_look_for_cycles_at_its_end():
    code = "import atexit, gc; from bench.cli import main; "
    code += "atexit.register(lambda: print(gc.get_freeze_count() > 0)); main(['list', 'methods'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
