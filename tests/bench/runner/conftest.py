"""One run of a moment, and what its files say afterwards."""

import fcntl
import itertools
import json
import os
import time
from contextlib import contextmanager

import pytest
import torch

from bench.runner import execute
from bench.runs.run import Run
from bench.runs.store import read_json
from evaluators import default_evaluators
from tests.bench.conftest import tiny_config
from tests.conftest import BandClassifiers
from tests.toy import image_data

FILES = [
    *["checkpoint.pt", "config.yaml", "history.csv", "lock", "measures", "provenance.json"],
    *["samples_chains.png", "samples_cross.png", "samples_joint.png", "status.json", "training.json"],
]


@pytest.fixture
def run(tmp_path):
    return Run(tiny_config("ebm-base", "trainer.epochs=1"), 3, tmp_path / "out")


def run_it(run, **options):
    return execute(run, image_data(), BandClassifiers(), **options)


def listing(run):
    return {path.name: path.stat().st_mtime_ns for path in run.path.iterdir()}


def measures(run):
    files = [run.measure_file(name) for name in default_evaluators()]
    return {name: measure for file in files for name, measure in read_json(file)["measures"].items()}


def raising(error):
    def fail(*_arguments, **_options):
        raise error

    return fail


def stop_at(step, reason="interrupted"):
    """Asked for the `step`-th time, it says so; and from then on."""
    asked = itertools.count(1)
    return lambda: reason if next(asked) >= step else None


@contextmanager
def another_process(run):
    """Holds the kernel's lock of the run, as one would."""
    run.path.mkdir(parents=True, exist_ok=True)
    with (run.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def owned_elsewhere(run, age=0.0):
    """The lock as a process on another host leaves it."""
    run.path.mkdir(parents=True, exist_ok=True)
    (run.path / "lock").write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": 0.0}))
    os.utime(run.path / "lock", (time.time() - age,) * 2)


class Untrained:
    """Classifiers of any data that say of each item what a fixed random projection says."""

    published = None

    def __init__(self, data):
        self.data = data
        known = [m.name for m in data.modalities] if data.attributes else []
        self.accuracy = dict.fromkeys(known, 0.5)
        self.accuracy_by_attribute = {name: dict.fromkeys(data.attributes, 0.5) for name in known}
        self.mean_accuracy = 0.5 if data.attributes else None

    def features(self, items):
        generator = torch.Generator().manual_seed(0)
        flat = {name: x.float().flatten(1) for name, x in items.items()}
        return {name: x @ torch.randn(x.shape[1], 8, generator=generator) for name, x in flat.items()}

    def classify(self, features):
        return {
            attribute: {name: x[:, :classes].argmax(1) for name, x in features.items()}
            for attribute, classes in self.data.attributes.items()
        }
