"""Classifiers and runs that are trained in a moment."""

import dataclasses

import pytest
import torch

from bench.evaluation import classifier_training
from bench.evaluation import classifiers as module
from bench.runner import execute
from bench.runs.run import Run
from tests.bench.conftest import tiny_config
from tests.conftest import BandClassifiers
from tests.toy import image_data


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(module, "ROBUST", dataclasses.replace(module.ROBUST, epochs=10))
    monkeypatch.setattr(module, "PUBLISHED", dataclasses.replace(module.PUBLISHED, epochs=30))
    monkeypatch.setattr(classifier_training, "BATCH", 32)


@pytest.fixture
def data():
    return image_data(m=2)


def equal(one, two):
    """Whether two `Classifiers` have the same parameters."""
    states = [[network.state_dict() for network in found.networks.values()] for found in (one, two)]
    return all(torch.equal(a[key], b[key]) for a, b in zip(*states, strict=True) for key in a)


def forbid_training(monkeypatch):
    monkeypatch.setattr(classifier_training, "train_classifier", lambda *_: pytest.fail("trained again"))


@pytest.fixture(params=["mmvaeplus", "mvtcae"])
def run(request, tmp_path):
    run = Run(tiny_config(request.param, "trainer.epochs=1"), 1, tmp_path / "out")
    assert execute(run, image_data(), BandClassifiers()) == "done"
    return run


def times(run):
    return {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file() and path.name != "lock"}
