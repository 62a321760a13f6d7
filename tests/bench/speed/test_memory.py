import resource
import sys

import pytest
import torch

from bench.speed import memory
from bench.speed.memory import available, within_memory

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process takes")


@LINUX
def test_what_is_beyond_the_machine_raises_instead_of_ending_the_process(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 100 * 2**20)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(RuntimeError, match="allocate"), within_memory():
        torch.zeros(2**30)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert torch.zeros(2**20).nbytes == 2**22


@LINUX
def test_available_memory_is_within_the_machines():
    assert 0 < available() < 2**50


def test_a_system_that_does_not_say_has_no_bound(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: None)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with within_memory():
        assert resource.getrlimit(resource.RLIMIT_DATA) == before
