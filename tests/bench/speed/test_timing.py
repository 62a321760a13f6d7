import torch

from bench.speed import timing
from bench.speed.timing import Times, in_turns

CPU = torch.device("cpu")


def test_calls_are_timed_in_turns(monkeypatch):
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)
    order = []
    seconds = in_turns({name: lambda name=name: order.append(name) for name in "ab"}, CPU, rounds=3, warm_up=1)
    assert order == ["a", "b", "a", "b", *"ababab"]
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_times_are_median_and_quartiles():
    assert Times.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Times(3.0, 2.0, 4.0)
