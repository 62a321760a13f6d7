"""A folder of arrays is a dataset; what is wrong with it is said in a sentence, and nothing of it is kept."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from bench.datasets import dataset_source
from bench.datasets.arrays import ARRAYS
from bench.datasets.arrays.items import token_ids, vocabulary
from bench.errors import DataMissing, UsageError
from methods.modality import END, PAD, UNKNOWN
from tests.arrays import write_folder
from tests.bench.datasets.arrays.conftest import refused


def save(path, array, **options):
    np.save(path, array, **options)


def test_it_is_a_dataset(folder):
    assert dataset_source("arrays") is ARRAYS
    assert ARRAYS.choose_source("auto", folder) == "folder"
    data = ARRAYS.load("auto", folder)
    assert (data.name, data.source, dict(data.attributes)) == ("arrays", "folder", {"shape": 3})
    assert (len(data.train), len(data.test)) == (40, 20)
    photo, numbers, caption = data.modalities
    assert (photo.kind, photo.shape, photo.likelihood, photo.scale) == ("image", (1, 12, 8), "laplace", 0.75)
    assert (numbers.kind, numbers.shape, numbers.likelihood, numbers.scale) == ("vector", (5,), "laplace", 0.5)
    assert (caption.kind, caption.shape, caption.weight) == ("text", (4,), 2.0)
    assert caption.vocabulary == ("<pad>", "<unk>", "<eos>", "a", "big", "small", "roof", "door", "wall")
    assert caption.sentences(data.test.items["caption"][:2]) == ["a big roof", "a small wall"]
    assert torch.equal(data.train.labels["shape"], torch.arange(40) % 3)
    stored = np.load(folder / "test" / "numbers.npy").astype(np.float32)
    assert np.array_equal(data.test.items["numbers"].numpy(), stored)
    assert ARRAYS.modalities("folder", folder) == data.modalities
    assert ARRAYS.fingerprint("folder", folder) == data.fingerprint


def test_what_is_not_there_is_said(folder):
    assert ARRAYS.missing("folder", folder) is None
    (folder / "test" / "numbers.npy").unlink()
    assert f"there is no {folder}/test/numbers.npy" in ARRAYS.missing("folder", folder)
    (folder / "dataset.yaml").unlink()
    assert f"{folder}/dataset.yaml" in ARRAYS.missing("folder", folder)


def test_the_fingerprint_is_of_the_contents(folder, tmp_path):
    first = ARRAYS.fingerprint("auto", folder)
    assert ARRAYS.fingerprint("auto", write_folder(tmp_path / "elsewhere")) == first
    text = (folder / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(text.replace("scale: 0.5", "scale: 0.7"))
    assert ARRAYS.fingerprint("auto", folder) == first  # of the data, and not of the likelihood
    assert ARRAYS.modalities("auto", folder)[1].scale == 0.7
    for other in (text.replace("shape: 3", "shape: 4"), "modalities: {numbers: {kind: vector}, photo: {kind: image}}"):
        (folder / "dataset.yaml").write_text(other)
        assert ARRAYS.fingerprint("auto", folder) != first
    (folder / "dataset.yaml").write_text(text)
    x = np.load(folder / "test" / "photo.npy")
    x[3, 4, 5] ^= 1
    save(folder / "test" / "photo.npy", x)
    assert ARRAYS.fingerprint("auto", folder) != first


def test_other_ways_to_store_the_same(folder):
    first = ARRAYS.load("auto", folder)
    for split in ("train", "test"):
        photo, numbers = (np.load(folder / split / f"{name}.npy") for name in ("photo", "numbers"))
        (folder / split / "photo.npy").unlink()
        np.savez_compressed(folder / split / "photo.npz", photo[:, None])
        save(folder / split / "numbers.npy", np.asfortranarray(numbers.astype(">f8")))
        save(folder / split / "shape.npy", np.load(folder / split / "shape.npy").astype(np.int8))
        caption = folder / split / "caption.txt"
        caption.write_bytes(b"\xef\xbb\xbf" + caption.read_text().replace("\n", "\r\n").rstrip("\n").encode())
    assert ARRAYS.load("auto", folder).fingerprint == first.fingerprint


def test_labels_are_not_needed_and_may_be_unknown(folder):
    text = (folder / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(text.replace("labels: {shape: 3}", ""))
    assert dict(ARRAYS.load("auto", folder).attributes) == {}
    (folder / "dataset.yaml").write_text(text)
    save(folder / "train" / "shape.npy", np.full(40, -1))
    assert (ARRAYS.load("auto", folder).train.labels["shape"] == -1).all()


def test_words_that_are_rare_unknown_or_too_many():
    words = vocabulary([["b", "a"], ["a", "<eos>"]])
    assert words == ["<pad>", "<unk>", "<eos>", "a", "b"]
    ids = token_ids([["a", "new", "b"], ["<eos>", "a", "b", "a", "b"]], words, 4)
    assert ids.tolist() == [[3, UNKNOWN, 4, END], [UNKNOWN, 3, 4, END]]
    assert token_ids([["a"]], words, 4).tolist() == [[3, END, PAD, PAD]]


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("photo", np.zeros((40, 12, 8)), "train/photo.npy is float64 [40, 12, 8]: images are bytes (uint8, 0 to 255)"),
        ("photo", np.zeros((40, 12), np.uint8), "train/photo.npy is [40, 12]: images are bytes"),
        ("photo", np.zeros((40, 12, 8, 3), np.uint8), "with channels last: save x.transpose(0, 3, 1, 2)"),
        ("photo", np.zeros((40, 2, 12, 8), np.uint8), "train/photo.npy is [40, 2, 12, 8]: images are bytes"),
        ("photo", np.zeros((40, 30, 30), np.uint8), "has images of 30×30: height and width have to be multiples of 4"),
        ("photo", np.zeros((40, 4, 4), np.uint8), "has images of 4×4: height and width have to be multiples of 4, at"),
        ("photo", np.zeros((40, 8, 8), np.uint8), "test/photo.npy has items of shape [1, 12, 8], and"),
        ("photo", np.zeros((0, 8, 8), np.uint8), "train/photo.npy is [0, 1, 8, 8]: it has no rows"),
        (
            "numbers",
            np.zeros((39, 5)),
            "train/numbers.npy has 39 rows, and photo.npy has 40: row i of each is",
        ),
        ("numbers", np.zeros((40, 5), int), "train/numbers.npy is int64 [40, 5]: vectors are floats, N × numbers"),
        ("numbers", np.zeros(40), "train/numbers.npy is float64 [40]: vectors are floats, N × numbers"),
        ("numbers", np.zeros((40, 0)), "vectors are floats, N × numbers"),
        (
            "numbers",
            np.diag(np.full(40, np.nan))[:, :5] * 0,
            "train/numbers.npy, row 0, column 0: is nan; exp",
        ),
        ("numbers", np.full((40, 5), 1e39), "train/numbers.npy, row 0, column 0: is inf; expected finite numbers"),
        ("numbers", np.array({"a": 1}), "train/numbers.npy is no readable array"),
        (
            "shape",
            np.arange(40),
            "train/shape.npy, row 3: is 3; expected a class from 0 to 2, or -1 where it is",
        ),
        ("shape", np.full(40, -2), "train/shape.npy, row 0: is -2; expected a class"),
        ("shape", np.zeros(40), "train/shape.npy is float64 [40]: labels are whole numbers, one a row"),
        ("shape", np.zeros((40, 1), int), "labels are whole numbers, one a row"),
        ("shape", np.array(2**63 + np.arange(40, dtype=np.uint64)), "row 0: is 9223372036854775808; expected a class"),
        ("shape", np.zeros(41, int), "train/shape.npy has 41 rows, and photo.npy has 40"),
    ],
)
def test_an_array_that_is_not_as_expected_is_told(folder, name, array, sentence):
    save(folder / "train" / f"{name}.npy", array, allow_pickle=True)
    assert sentence in refused(folder)


def test_the_row_of_a_number_that_is_not_finite_is_told(folder):
    x = np.load(folder / "test" / "numbers.npy")
    x[7, 2] = -np.inf
    save(folder / "test" / "numbers.npy", x)
    assert refused(folder).startswith("test/numbers.npy, row 7, column 2: is -inf; expected finite numbers")


def test_a_bernoulli_likelihood_needs_numbers_from_0_to_1(folder):
    text = (folder / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(text.replace("laplace, scale: 0.5", "bernoulli"))
    assert "expected numbers from 0 to 1 (likelihood: bernoulli)" in refused(folder)
    for split, n in (("train", 40), ("test", 20)):
        save(folder / split / "numbers.npy", np.random.default_rng(0).integers(0, 2, (n, 5)).astype(np.float32))
    assert ARRAYS.load("auto", folder).modalities[1].likelihood == "bernoulli"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a wall\n\na door\n", "train/caption.txt, line 2: is empty; expected one sentence a line"),
        (b"a wall\n\xff\xfe\n", "train/caption.txt, line 2: is not UTF-8"),
        (b"a wall\n", "train/caption.txt has 1 rows, and photo.npy has 40"),
        (b"", "train/caption.txt is empty"),
    ],
)
def test_a_text_that_is_not_as_expected_is_told(folder, content, sentence):
    (folder / "train" / "caption.txt").write_bytes(content)
    assert sentence in refused(folder)


def test_files_that_are_not_there_or_there_twice(folder):
    np.savez(folder / "train" / "photo.npz", np.zeros(3))
    assert refused(folder) == "train/photo.npy and photo.npz are both there: keep one of them"
    (folder / "train" / "photo.npz").unlink()
    (folder / "test" / "caption.txt").unlink()
    assert refused(folder).startswith("there is no test/caption.txt: a row of it is caption of one tuple of the test")
    (folder / "dataset.yaml").unlink()
    assert "there is no dataset.yaml: --data-root names a folder with arrays of your own" in refused(folder)


def test_hostile_files_are_refused_at_once(folder):
    photo = folder / "train" / "photo.npy"
    photo.write_bytes(pickle.dumps([1]))
    assert "train/photo.npy is no readable array" in refused(folder)
    save(photo, np.zeros((40, 12, 8), np.uint8))
    with photo.open("ab") as file:
        file.truncate(1 << 30)
    assert "train/photo.npy promises 3,968 bytes and holds 1,073,741,824: save it again" in refused(folder)
    photo.unlink()
    os.mkfifo(photo)
    assert "train/photo.npy is no regular file" in refused(folder)
    photo.unlink()
    archive = folder / "train" / "photo.npz"
    np.savez(archive, np.zeros(3), np.zeros(4))
    assert "train/photo.npz holds 2 arrays, where one is expected" in refused(folder)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            "arr_0.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1 << 60,)}"
        )
    assert "train/photo.npz is no readable array" in refused(folder)


def test_there_is_one_source_and_nothing_to_fetch(folder):
    with pytest.raises(UsageError, match="unknown source 'bundled'"):
        ARRAYS.load("bundled", folder)
    with pytest.raises(DataMissing, match="arrays are your own: there is nothing to fetch"):
        ARRAYS.fetch(folder)
