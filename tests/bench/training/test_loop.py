import dataclasses
import itertools
import math
import pickle
import random
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from bench.config.schema import TrainerConfig
from bench.datasets.base import Split
from bench.training import graphs
from bench.training import loop as training
from bench.training.loop import Diverged, Interrupted, epoch_order, train
from methods import METHODS as ALL
from methods.base import Method
from methods.priors.factorised import LaplacePrior, LaplacePriorConfig
from tests.conftest import make_method
from tests.toy import image_data, image_modalities

METHODS = ["mmvae", "ebm-generalized"]
PRIOR = {"start": 0.4, "warmup": 0.2, "standardise": True, "buffer": 16, "moves": 2, "refinement": 3}
TRAINER = TrainerConfig(epochs=3, batch_size=16, lr=4e-3, amsgrad=False, schedule="cosine", warmup=0.1)  # 18 steps


def make(name, seed=0):
    return make_method(name, seed=seed, **({"prior": PRIOR} if name.startswith("ebm") else {}))


def run(method, path, seed=0, **options):
    return train(method, image_data().train, TRAINER, seed, path, **options)


def after(steps):
    """A stop that is true when asked for the `steps`-th time."""
    asked = itertools.count(1)
    return lambda: next(asked) == steps


def terms(state):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in state.history]


def equal(one, two):
    pairs = zip(one.state_dict().items(), two.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


class Stub(Method):
    """One parameter, and a loss by the step."""

    def __init__(self, losses):
        super().__init__(None, image_modalities(1))
        self.prior = LaplacePrior(LaplacePriorConfig(), 1)
        self.weight = nn.Parameter(torch.ones(1))
        self.losses = iter(losses)

    def loss(self, batch, streams, progress=1.0):
        value = next(self.losses)
        extra = {"late": torch.tensor(value)} if progress >= 0.5 else {}
        return (self.weight * value).sum(), {"elbo": torch.tensor(-value), **extra}

    def infer(self, batch, given, streams):
        raise NotImplementedError


def stub_run(losses, path, epochs=2, **options):
    """Three steps an epoch."""
    config = TrainerConfig(epochs=epochs, batch_size=32, lr=1e-9)
    return train(Stub(losses), image_data(m=1).train, config, 0, path, **options)


# Stopping and resuming


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("stops", [[1], [6], [7], [17], [2, 9]])
def test_an_interrupted_run_ends_with_the_same_bits(name, stops, tmp_path):
    whole = make(name)
    expected = run(whole, tmp_path / "whole")
    for before, steps in itertools.pairwise([0, *stops]):
        with pytest.raises(Interrupted, match=f"stopped at step {steps} of 18"):
            run(make(name), tmp_path / "parts", stop=after(steps - before))
    resumed = make(name, seed=5)  # nothing of a new initialisation may remain
    state = run(resumed, tmp_path / "parts")
    assert equal(resumed, whole)
    assert terms(state) == terms(expected)
    assert state.step == expected.step == 18


@pytest.mark.parametrize("stops", [[], [2], [9, 17]])
@pytest.mark.parametrize("name", METHODS)
def test_steps_become_a_graph_when_the_loss_has_settled(name, stops, tmp_path, monkeypatch):
    """A stand-in that keeps the function shows the order of things: the same steps, replayed from the right one on."""
    monkeypatch.setattr(graphs, "aside", lambda step, inputs: step(inputs))
    monkeypatch.setattr(graphs, "capture", lambda step, inputs, streams: partial(step))
    monkeypatch.setattr(training, "set_capturable", lambda *_: None)  # the CPU's optimiser is not
    expected = run(whole := make(name), tmp_path / "whole")
    for before, steps in itertools.pairwise([0, *stops]):
        with pytest.raises(Interrupted):
            run(make(name), tmp_path / "parts", stop=after(steps - before), graph=True)
    state = run(method := make(name), tmp_path / "parts", graph=True)
    assert equal(method, whole)
    assert terms(state) == terms(expected)
    # Steps at 0.6 of 18 and later, short of those before a capture, of which each session makes its own.
    eager = {"mmvae": 0, "ebm-generalized": 11}[name]
    bounds = [0, *stops, 18]
    assert state.graphed == sum(max(0, b - max(a, eager) - 3) for a, b in itertools.pairwise(bounds))


def test_a_finished_run_is_only_loaded(tmp_path, monkeypatch):
    method, again = make("mmvae"), make("mmvae", seed=5)
    expected = run(method, tmp_path / "file")
    monkeypatch.setattr(again, "loss", lambda *_: pytest.fail("trained again"))
    assert run(again, tmp_path / "file") == expected
    assert equal(again, method)


def test_a_stop_at_the_last_step_is_no_interruption(tmp_path):
    assert run(make("mmvae"), tmp_path / "file", stop=after(18)).step == 18


def test_seconds_count_on_after_an_interruption(tmp_path):
    with pytest.raises(Interrupted):
        run(make("mmvae"), tmp_path / "file", stop=after(5))
    before = torch.load(tmp_path / "file", weights_only=True)["state"]["seconds"]
    assert run(make("mmvae"), tmp_path / "file").history[0]["seconds"] > before > 0


def test_a_checkpoint_is_written_when_its_time_has_come(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "save_checkpoint", lambda *arguments: seen.append(arguments[-1].step))
    stub_run([1.0] * 6, tmp_path / "file")
    assert seen == [1, 2, 3, 4, 5, 6]


# Seeds and data


@pytest.mark.parametrize("name", METHODS)
def test_a_seed_repeats_and_another_differs(name, tmp_path):
    one, same, other = (make(name) for _ in range(3))
    for method, seed, path in ((one, 0, "a"), (same, 0, "b"), (other, 1, "c")):
        run(method, tmp_path / path, seed=seed)
    assert equal(one, same)
    assert not equal(one, other)


def test_each_epoch_and_seed_has_its_own_order():
    orders = [tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(3) for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len(set(orders)) == 9
    assert torch.equal(epoch_order(50, 1, 2), epoch_order(50, 1, 2))


def test_every_method_sees_the_same_batches(tmp_path, monkeypatch):
    seen = []
    batch = Split.batch
    monkeypatch.setattr(Split, "batch", lambda self, rows: (seen.append(rows.tolist()), batch(self, rows))[1])
    for name in METHODS:
        run(make(name), tmp_path / name)
    assert seen[:18] == seen[18:36]  # after these a prior may learn alone
    assert sorted(itertools.chain(*seen[:6])) == list(range(96))


def test_an_incomplete_batch_is_dropped_and_too_large_a_one_refused(tmp_path):
    split = image_data(train=40).train
    config = TrainerConfig(epochs=1, batch_size=16)
    assert train(make("mmvae"), split, config, 0, tmp_path / "a").step == 2
    with pytest.raises(ValueError, match="batch_size=41: the training split has only 40 tuples"):
        train(make("mmvae"), split, dataclasses.replace(config, batch_size=41), 0, tmp_path / "b")


# History and progress


def test_history_holds_the_means_of_the_steps_that_have_the_term(tmp_path):
    state = stub_run([1.0, 2.0, 3.0, 5.0, 7.0, 9.0, 0.0, 1.0, 5.0], tmp_path / "file", epochs=3)
    assert [row["epoch"] for row in state.history] == [1, 2, 3]
    assert [row["elbo"] for row in state.history] == [-2, -7, -2]
    assert [row["loss"] for row in state.history] == pytest.approx([2, 7, 2])
    # Of the second epoch, only the last step is in the second half of the training.
    assert [row.get("late") for row in state.history] == [None, 9.0, 2.0]


def test_progress_tells_where_the_run_stands(tmp_path):
    seen = []
    stub_run([3.0] * 12, tmp_path / "file", epochs=4, report=seen.append)
    assert [(p.epoch, p.epochs, p.share) for p in seen] == [(4, 4, 10 / 12), (4, 4, 1.0)]
    assert seen[0].loss == pytest.approx(3.0)
    assert seen[0].samples_per_second > 0
    assert seen[1].seconds_left == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_with_advice(value, tmp_path):
    with pytest.raises(Diverged, match=r"in epoch 2 \(not finite: loss, elbo.*Lower trainer.lr.*prior.penalty"):
        stub_run([1.0, 1.0, 1.0, 1.0, value, 1.0], tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_checkpoint_never_holds_a_diverged_state(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Diverged):
        stub_run([1.0, math.nan, 1.0], tmp_path / "file", epochs=1)
    content = torch.load(tmp_path / "file", weights_only=True)
    assert content["state"]["step"] == 1
    assert content["method"]["weight"].isfinite().all()


def test_methods_train_in_training_mode(tmp_path):
    method = make("mmvae").eval()
    run(method, tmp_path / "file")
    assert method.training


@pytest.mark.parametrize("name", ALL)
def test_training_draws_nothing_from_generators_that_no_checkpoint_holds(name, tmp_path):
    method = make(name)
    before = torch.get_rng_state(), random.getstate(), pickle.dumps(np.random.get_state())
    run(method, tmp_path / "file")
    after = torch.get_rng_state(), random.getstate(), pickle.dumps(np.random.get_state())
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
