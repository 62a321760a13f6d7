"""Measuring on held-out tuples while a method is trained."""

import dataclasses
import itertools
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from bench.datasets.base import Split
from bench.datasets.held_out import hold_out
from bench.evaluation.validation import Validation
from bench.training import graphs
from bench.training import loop as training
from bench.training.loop import Interrupted, train
from methods import METHODS
from tests.bench.training.test_loop import TRAINER, after, equal, make, stub_run, terms
from tests.conftest import BandClassifiers
from tests.toy import image_data

CONFIG = dataclasses.replace(TRAINER, validation=0.1, batch_size=14)  # 86 of 96 tuples: 6 steps an epoch
COLUMN = "validation_cross_coherence"


def run(method, path, config=CONFIG, measured=True, shares=None, **options):
    """`shares` gets those of the training at which the method is measured."""
    data, shares = image_data(), [] if shares is None else shares
    kept, out = hold_out(data.train, config.validation)
    validation = Validation(method, kept, out, BandClassifiers(), data.attributes, 0, config.batch_size)
    validate = lambda share: (shares.append(share), validation(share))[1]  # noqa: E731
    return train(method, kept, config, 0, path, validate=validate if measured else None, **options)


def measured(state):
    return {row["epoch"]: row[COLUMN] for row in state.history if COLUMN in row}


def own_terms(state):
    """Without what was measured on held-out tuples."""
    return [{key: value for key, value in row.items() if "validation" not in key} for row in terms(state)]


def checkpoint(path):
    content = torch.load(path, weights_only=True)
    return [content[part] for part in ("method", "optimiser", "streams")]


def same(one, two):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two


def copied(split, rows):
    """The rows as a split of their own."""
    items, labels = ({name: x[rows] for name, x in tensors.items()} for tensors in (split.items, split.labels))
    return Split(items, labels, split.modalities)


@pytest.mark.parametrize("name", METHODS)
def test_measuring_changes_no_bit_of_the_training(name, tmp_path):
    """Neither does it matter that the tuples that remain lie among others."""
    with_it, without, elsewhere = (make(name) for _ in range(3))
    state = run(with_it, tmp_path / "with")
    expected = run(without, tmp_path / "without", measured=False)
    split = image_data().train
    rest = copied(split, hold_out(split, 0.1)[0].rows)
    train(elsewhere, rest, CONFIG, 0, tmp_path / "elsewhere")
    assert equal(with_it, without)
    assert own_terms(state) == terms(expected)
    assert set(measured(state)) == {1, 2, 3}
    parts = [checkpoint(tmp_path / name) for name in ("with", "without", "elsewhere")]
    assert same(parts[0], parts[1])
    assert same(parts[0], parts[2])


def test_held_out_tuples_never_reach_the_training(tmp_path, monkeypatch):
    """Not only their rows: an item of one of them is in no batch."""
    data, seen = image_data(), {True: set(), False: set()}
    method, loss = make("mmvae"), type(make("mmvae")).loss

    def looked_at(self, batch, streams, progress):
        seen[self.training] |= {x.numpy().tobytes() for x in batch["m0"]}
        return loss(self, batch, streams, progress)

    monkeypatch.setattr(type(method), "loss", looked_at)
    run(method, tmp_path / "file", dataclasses.replace(CONFIG, batch_size=2, epochs=1))
    kept, out = hold_out(data.train, CONFIG.validation)
    items = [{x.numpy().tobytes() for x in part.batch(slice(None))["m0"]} for part in (kept, out)]
    assert seen == {True: items[0], False: items[1]}
    assert not items[0] & items[1]


@pytest.mark.parametrize(
    ("every", "epochs", "expected"),
    [(1, 3, [1, 2, 3]), (2, 4, [2, 4]), (2, 5, [2, 4, 5]), (3, 5, [3, 5]), (9, 2, [2])],
)
def test_epochs_are_measured_as_often_as_asked_and_the_last_one_always(every, epochs, expected, tmp_path):
    config = dataclasses.replace(CONFIG, validate_every=every, epochs=epochs, batch_size=43)
    assert list(measured(run(make("mmvae"), tmp_path / "file", config))) == expected


def test_without_held_out_tuples_nothing_is_measured(tmp_path):
    stub_run([1.0] * 6, tmp_path / "file", validate=lambda share: pytest.fail("measured"))


@pytest.mark.parametrize("stops", [[1], [5, 6, 7], [6], [12, 17]])
@pytest.mark.parametrize(("name", "every"), [("mmvae", 1), ("ebm-generalized", 2)])
def test_an_interrupted_run_measures_each_epoch_once_and_ends_with_the_same_bits(name, every, stops, tmp_path):
    config = dataclasses.replace(CONFIG, validate_every=every)
    whole, resumed = make(name), make(name, seed=5)
    expected, shares = run(whole, tmp_path / "whole", config), []
    for before, steps in itertools.pairwise([0, *stops]):
        with pytest.raises(Interrupted):
            run(make(name), tmp_path / "parts", config, shares=shares, stop=after(steps - before))
    state = run(resumed, tmp_path / "parts", config, shares=shares)
    assert equal(resumed, whole)
    assert terms(state) == terms(expected)
    assert shares == [row["epoch"] / 3 for row in expected.history if COLUMN in row]
    assert same(checkpoint(tmp_path / "parts"), checkpoint(tmp_path / "whole"))


@pytest.mark.parametrize("name", ["mmvae", "ebm-generalized"])
def test_steps_become_a_graph_all_the_same(name, tmp_path, monkeypatch):
    monkeypatch.setattr(graphs, "aside", lambda step, inputs: step(inputs))
    monkeypatch.setattr(graphs, "capture", lambda step, inputs, streams: partial(step))
    monkeypatch.setattr(training, "set_capturable", lambda *_: None)  # the CPU's optimiser is not
    with_it, without = make(name), make(name)
    state = run(with_it, tmp_path / "with", graph=True)
    expected = run(without, tmp_path / "without", graph=True, measured=False)
    assert equal(with_it, without)
    assert state.graphed == expected.graphed > 0
    assert set(measured(state)) == {1, 2, 3}


class Clock:
    """A second passes in every step, and ten while the method is measured."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def run(self, path, stop=lambda: None, report=lambda progress: None):
        """Four steps."""
        kept, _ = hold_out(image_data().train, 0.1)
        config, method = dataclasses.replace(CONFIG, epochs=2, batch_size=43), make("mmvae")
        loss = method.loss
        method.loss = lambda *arguments: self.passes(1.0, loss(*arguments))
        validate = lambda share: self.passes(10.0, {COLUMN: share})  # noqa: E731
        return train(method, kept, config, 0, path, report, stop, validate=validate)

    def passes(self, seconds, value):
        self.now += seconds
        return value


def test_time_spent_measuring_is_not_the_trainings(tmp_path, monkeypatch):
    seen = []
    state = Clock(monkeypatch).run(tmp_path / "file", report=seen.append)
    assert (state.seconds, state.validation_seconds) == (4.0, 20.0)
    assert [row["seconds"] for row in state.history] == [2.0, 4.0]
    assert seen[-1].samples_per_second == 43.0
    assert measured(state) == {1: 0.5, 2: 1.0}


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_seconds_of_measuring_count_on_after_an_interruption(stop, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        Clock(monkeypatch).run(tmp_path / "file", stop=after(stop))
    state = Clock(monkeypatch).run(tmp_path / "file")
    assert (state.seconds, state.validation_seconds) == (4.0, 20.0)


def test_a_batch_larger_than_what_remains_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"only 86 tuples besides those that validation=0\.1 holds out"):
        run(make("mmvae"), tmp_path / "file", dataclasses.replace(CONFIG, batch_size=87))
