import dataclasses
import errno
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench.datasets.base import PublishedProtocol
from bench.errors import BenchError, DataMissing
from bench.evaluation import classifier_training
from bench.evaluation import classifiers as module
from bench.evaluation.classifiers import classifiers
from methods.modality import ImageModality
from tests.bench.evaluation.conftest import equal, forbid_training
from tests.toy import image_data

pytestmark = pytest.mark.usefixtures("few_steps")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "toy" / f"classifiers-{'0' * 16}-v6"


def test_the_second_time_they_come_from_the_cache(data, monkeypatch):
    told = []
    first = classifiers(data, told.append)
    assert told[0] == "training 2 robust classifiers on toy (bundled), once for these data"
    ended = [
        re.fullmatch(r"robust classifier (m[01]), ([12]) of 2: test accuracy [01]\.\d{4}, \d+ s", line)
        for line in told[1:]
    ]
    assert sorted(found[1] for found in ended) == ["m0", "m1"]
    assert [found[2] for found in ended] == ["1", "2"]
    forbid_training(monkeypatch)
    second = classifiers(data, pytest.fail)
    assert second.accuracy == first.accuracy
    assert equal(first, second)
    assert not any(network.training for network in [*first.networks.values(), *second.networks.values()])


def test_each_is_told_when_it_ends_and_how_far_they_are_between(data, monkeypatch, folder):
    """They take turns, and so end late: by then the first minute has been silent otherwise."""
    monkeypatch.setattr(classifier_training, "SECONDS_BETWEEN_REPORTS", 0.0)
    told = []

    def tell(line):
        told.append((line, (folder / "m0.pt").exists()))

    classifiers(data, tell)
    assert any(
        re.fullmatch(r"robust classifiers: \d+ % of the training is done, about \d+ s left", line) for line, _ in told
    )
    assert not any(written for _, written in told)


def test_those_of_the_published_kind_are_not_called_published(data):
    told = []
    classifiers(dataclasses.replace(data, published=PublishedProtocol({})), told.append)
    assert told[0] == "training 2 classifiers of the published evaluation's kind on toy (bundled), once for these data"
    assert told[1].startswith("published evaluation's classifier m")


def test_other_data_have_other_classifiers(data):
    first = classifiers(data)
    other = classifiers(dataclasses.replace(image_data(m=2, seed=1), fingerprint="e" * 64))
    assert not equal(first, other)


def flip_a_byte(folder):
    content = bytearray((folder / "m1.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "m1.pt").write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        lambda folder: os.truncate(folder / "m0.pt", 100),
        lambda folder: (folder / "m1.pt").unlink(),
        lambda folder: (folder / "meta.json").unlink(),
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "meta.json").write_text("[]"),
        lambda folder: (folder / "meta.json").write_text('{"accuracy": {}, "crc32": {}}'),
    ],
)
def test_a_damaged_cache_is_reported_and_trained_again(data, folder, damage, caplog, monkeypatch):
    first = classifiers(data)
    damage(folder)
    with caplog.at_level(logging.WARNING, logger="bench"):
        second = classifiers(data)
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["is damaged" in message for message in warnings] == [True]
    assert equal(first, second)
    forbid_training(monkeypatch)
    classifiers(data)
    assert sorted(path.name for path in folder.parent.iterdir()) == [f".{folder.name}.lock", folder.name]


def test_a_failed_training_leaves_no_cache(data, folder, monkeypatch):
    def fail(*_arguments):
        raise RuntimeError("oops")

    with monkeypatch.context() as patch:
        patch.setattr(classifier_training, "accuracy", fail)
        with pytest.raises(RuntimeError, match="oops"):
            classifiers(data)
    assert [path.suffix for path in folder.parent.iterdir()] == [".lock"]


def test_a_full_disk_under_the_cache_is_told_and_leaves_no_cache(data, folder, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")

    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(DataMissing, match=r"toy's classifiers cannot be written: .*No space left .*Set BENCH_CACHE"):
        classifiers(data)
    assert [path.suffix for path in folder.parent.iterdir()] == [".lock"]


def test_two_processes_at_once_train_once(folder, tmp_path):
    script = f"""
import sys
from bench.evaluation import classifier_training as training
from bench.evaluation import classifiers as module
from tests.toy import image_data
training.BATCH = 32
train, log = training.train_classifier, open({str(tmp_path / "trained")!r}, "a")
training.train_classifier = lambda *arguments: (print(arguments[2].name, file=log, flush=True), train(*arguments))[1]
data = image_data(m=2)
print("ready", flush=True)
sys.stdin.readline()
print(module.classifiers(data).accuracy)
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, cwd=Path(bench.__file__).parents[1], **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert answers[0] == answers[1] != ""
    assert sorted((tmp_path / "trained").read_text().split()) == ["m0", "m1"]
    assert sorted(path.name for path in folder.iterdir()) == ["m0.pt", "m1.pt", "meta.json"]


def test_a_kind_without_a_classifier_is_told_and_leaves_no_cache(data, folder):
    class Sound(ImageModality):
        kind = "sound"

    sounds = tuple(Sound(m.name, m.shape) for m in data.modalities)
    with pytest.raises(BenchError, match="'m0': unknown kind of classifier 'sound'"):
        classifiers(data.with_modalities(sounds))
    assert [path.suffix for path in folder.parent.iterdir()] == [".lock"]
