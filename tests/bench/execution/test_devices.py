import re

import pytest

from bench.errors import UsageError
from bench.execution.devices import choose_device


def test_a_device_is_one_that_can_compute():
    assert choose_device("cpu").type == "cpu"


def test_a_kind_that_torch_does_not_know_is_not_answered_with_all_that_it_knows():
    with pytest.raises(UsageError) as error:
        choose_device("gpu")
    assert str(error.value) == "device 'gpu': expected auto, cpu, cuda, cuda:N with the number of one, or mps on a Mac"


@pytest.mark.parametrize("name", ["meta", "nonsense", "cuda:999", "cuda:9999999999", "cuda:-1", "", "\x1b[31m"])
def test_other_devices_are_refused(name):
    with pytest.raises(UsageError, match=f"device {re.escape(repr(name))}: ") as error:
        choose_device(name)
    assert str(error.value).isprintable()
