"""What a checkpoint file withstands."""

import itertools
import logging
import os
import random
import zipfile
from pathlib import Path

import pytest
import torch

from bench.errors import BenchError
from bench.runs import checkpoints
from bench.runs.checkpoints import Damaged, read, read_latest, save
from bench.runs.store import previous
from bench.training import loop as training
from bench.training.loop import Interrupted
from bench.training.state import load_model
from tests.bench.training.test_loop import after, equal, make, run

CPU = torch.device("cpu")


def content(step):
    return {"method": {"weight": torch.full((50,), float(step))}, "state": {"step": step}}


def step_of(path):
    return read(path, CPU)["state"]["step"]


@pytest.fixture
def path(tmp_path):
    """The second of two checkpoints, with the first beside it."""
    file = tmp_path / "checkpoint.pt"
    save(file, content(1))
    save(file, content(2))
    return file


def cut(path):
    os.truncate(path, path.stat().st_size * 2 // 3)


def flip(path, at=None):
    data = bytearray(path.read_bytes())
    at = len(data) // 2 if at is None else at
    data[at] ^= 0x10
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


DAMAGES = [cut, flip, empty]


def test_what_is_saved_comes_back(path):
    found = read(path, CPU)
    assert found["state"] == {"step": 2}
    assert torch.equal(found["method"]["weight"], torch.full((50,), 2.0))


def test_the_one_before_is_kept_and_nothing_else(path):
    assert sorted(path.parent.iterdir()) == [previous(path), path]
    assert step_of(previous(path)) == 1


def test_torch_and_unzip_read_them_as_any_other(path):
    assert torch.load(path, weights_only=True)["state"] == {"step": 2}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert len(archive.comment) == 64


def test_any_flipped_bit_is_seen(path):
    data, chance = path.read_bytes(), random.Random(0)
    places = [0, len(data) - 1, len(data) - 65, *(chance.randrange(len(data)) for _ in range(200))]
    for place in places:
        flip(path, place)
        with pytest.raises(Damaged):
            read(path, CPU)
        path.write_bytes(data)
    assert step_of(path) == 2


def test_a_file_without_a_checksum_is_refused(path):
    torch.save(content(3), path)
    with pytest.raises(Damaged):
        read(path, CPU)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_gives_way_to_the_one_before(path, damage, caplog):
    damage(path)
    assert read_latest(path, CPU)["state"]["step"] == 1
    assert str(path) in caplog.text
    assert "checkpoint.previous.pt" in caplog.text
    # Or the next save would keep the damaged one in place of the whole one.
    assert step_of(path) == 1
    assert not previous(path).exists()


def test_one_that_cannot_be_read_gives_way_as_well(path, monkeypatch):
    whole = Path.read_bytes

    def read_bytes(self):
        if self == path:
            raise OSError(5, "Input/output error")
        return whole(self)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert read_latest(path, CPU)["state"]["step"] == 1


def test_a_writer_killed_between_its_renames_has_lost_nothing(path, caplog):
    path.replace(previous(path))
    assert read_latest(path, CPU)["state"]["step"] == 2
    assert not caplog.records


def test_there_may_be_none_yet(tmp_path):
    assert read_latest(tmp_path / "checkpoint.pt", CPU) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_when_both_are_damaged_the_error_names_both_and_says_what_to_do(path, damage):
    damage(path)
    damage(previous(path))
    with pytest.raises(BenchError, match=r"neither .*checkpoint.pt nor checkpoint.previous.pt.*--force"):
        read_latest(path, CPU)


def test_at_every_instant_of_a_save_one_is_whole(path, monkeypatch):
    """Looks at the files before and after each call that changes a directory."""
    seen = []
    replace, fsync = os.replace, os.fsync

    def look():
        steps = []
        for file in (path, previous(path)):
            try:
                steps.append(step_of(file))
            except (Damaged, FileNotFoundError):
                steps.append(None)
        seen.append(steps)

    def looking(function):
        return lambda *arguments: (look(), function(*arguments), look())

    monkeypatch.setattr(os, "replace", looking(replace))
    monkeypatch.setattr(os, "fsync", looking(fsync))
    save(path, content(3))
    assert [steps for steps, _ in itertools.groupby(seen)] == [[2, 1], [None, 2], [3, 2]]


def test_a_hostile_file_runs_no_code(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    path = tmp_path / "checkpoint.pt"
    save(path, {"method": Hostile(), "state": {}})
    with pytest.raises(BenchError, match="cannot be used"):
        run(make("mmvae"), path)
    with pytest.raises(BenchError, match="cannot be used"):
        load_model(path, make("mmvae"))
    assert not (tmp_path / "owned").exists()


# In a training


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """The checkpoint of a training that was stopped at step 8, with that of step 7 beside it."""
    path = tmp_path / "parts.pt"
    with monkeypatch.context() as patch:
        patch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(Interrupted):
            run(make("mmvae"), path, stop=after(8))
    assert (step_of(path), step_of(previous(path))) == (8, 7)
    return path


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_training_that_falls_back_ends_with_the_same_bits(stopped, damage, tmp_path, caplog):
    damage(stopped)
    whole, resumed = make("mmvae"), make("mmvae", seed=5)
    run(whole, tmp_path / "whole.pt")
    run(resumed, stopped)
    assert equal(resumed, whole)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_training_with_two_damaged_checkpoints_is_an_error(stopped):
    cut(stopped)
    flip(previous(stopped))
    with pytest.raises(BenchError, match="--force"):
        run(make("mmvae"), stopped)


def test_a_model_is_never_read_from_the_checkpoint_before(stopped):
    """Its training was not finished."""
    flip(stopped)
    with pytest.raises(BenchError, match="damaged"):
        load_model(stopped, make("mmvae"))
    stopped.unlink()
    with pytest.raises(BenchError, match="No such file"):
        load_model(stopped, make("mmvae"))


def test_a_model_alone_comes_back(tmp_path):
    method, again = make("mmvae"), make("mmvae", seed=5)
    run(method, tmp_path / "file.pt")
    load_model(tmp_path / "file.pt", again)
    assert equal(again, method)


def test_nothing_on_disk_is_older_than_the_last_save_when_writing_fails(path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*checkpoint\.pt"):
        checkpoints.save(path, content(3))
    assert (step_of(path), step_of(previous(path))) == (2, 1)
    assert len(list(path.parent.iterdir())) == 2
