"""Whatever a file of the user's holds or is: its content, or a sentence that names it. Never a block."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.datasets.files import read_bytes, read_tensor, refusing
from bench.errors import DataMissing
from tests.bench.datasets.readers import READERS, SHAPE, TYPES, WEIGHTS, refused


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "is a folder, where a file is expected"),
        (os.mkfifo, "is no regular file, where a file is expected"),
        (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_file_with_content_is_refused_at_once(
    make: Callable[[Path], object], sentence: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "a file"
    make(path)
    assert sentence in refused(read, path)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_name_that_no_disk_takes_is_told(read: Callable[[Path], object], tmp_path: Path) -> None:
    assert "File name too long" in refused(read, tmp_path / ("x" * 256))


@pytest.mark.parametrize("read", [READERS["image"], READERS["tensor"], READERS["weights"]])
def test_any_content_is_read_or_refused(read: Callable[[Path], object], tmp_path: Path) -> None:
    """Broken copies of good files, some bytes of each changed, cut off or doubled."""
    rng = np.random.default_rng(0)
    image, path = io.BytesIO(), tmp_path / "file"
    Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(image, "PNG")
    tensor = io.BytesIO()
    torch.save(torch.zeros(SHAPE), tensor)
    for content in (image.getvalue(), tensor.getvalue(), pickle.dumps([1, "x"]), b"\x80\x02."):
        for _ in range(40):
            broken = bytearray(content)
            for place in rng.integers(0, len(broken), rng.integers(1, 4)):
                broken[place] = rng.integers(256)
            path.write_bytes(broken[: rng.integers(1, 2 * len(broken))])
            with suppress(DataMissing):
                read(path)


# bytes


def test_bytes_are_read_up_to_the_limit_packed_or_not(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a", tmp_path / "a.gz"
    for path, write in ((plain, lambda content: content), (packed, gzip.compress)):
        path.write_bytes(write(bytes(100)))
        assert READERS["bytes"](path) == bytes(100)
    plain.write_bytes(bytes(101))
    assert "has 101 bytes; the largest MNIST file has 100" in refused(READERS["bytes"], plain)
    packed.write_bytes(gzip.compress(bytes(10**7), 9)[:90])
    assert "unpacks to more than 100 bytes" in refused(lambda file: read_bytes(file, "MNIST file", 100), packed)


# tensors


def test_a_tensor_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for tensor in (torch.rand(SHAPE), torch.rand(SHAPE[::-1]).T, torch.rand(SHAPE, requires_grad=True)):
        torch.save(tensor, path)
        read = read_tensor(path, SHAPE, TYPES)
        assert torch.equal(read, tensor)
        assert read.is_contiguous()
        read.numpy()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([torch.zeros(SHAPE)], "holds a list, not a tensor"),
        (torch.zeros(2, 2), r"holds [2, 2], not [4, 3]"),
        (torch.zeros(1).expand(10**12), "holds [1000000000000], not [4, 3]"),
        (torch.zeros(SHAPE, dtype=torch.bool), "is torch.bool; allowed: uint8, float32"),
        (torch.zeros(SHAPE, dtype=torch.complex64), "is torch.complex64"),
        (torch.zeros(SHAPE).to(torch.float8_e4m3fn), "is torch.float8_e4m3fn"),
        (torch.zeros(SHAPE).to_sparse(), "torch.sparse_coo tensor"),
        (torch.zeros(SHAPE, device="meta"), "on meta"),
        (torch.zeros(10**6), "has 4,00"),
        (print, "is no readable tensor file"),
    ],
)
def test_odd_tensors_are_refused(value: object, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(value, path)
    assert sentence in refused(READERS["tensor"], path)


def test_a_pickle_in_place_of_a_tensor_is_not_executed(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "executed\x1b[31m"),)

    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps(Hostile()))
    for reader in ("tensor", "weights"):
        refused(READERS[reader], path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]


def test_an_archive_that_explodes_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10**8))
    assert "unpacks to more than" in refused(READERS["tensor"], path)


# weights


def test_weights_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for legacy in (False, True):
        torch.save(OrderedDict(WEIGHTS), path, _use_new_zipfile_serialization=not legacy)
        read = READERS["weights"](path)
        assert isinstance(read, dict)
        assert all(torch.equal(read[name], x) for name, x in WEIGHTS.items())


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (torch.zeros(SHAPE), "holds a Tensor, not the weights a, b"),
        ({"a": WEIGHTS["a"]}, "holds ['a'], not the weights a, b"),
        ({"\x1b[31m": 1}, r"holds ['\x1b[31m'], not"),
        (WEIGHTS | {"b": 1}, ": b is a int, not a tensor"),
        (WEIGHTS | {"b": torch.rand(3)}, ": b holds [3], not [2]"),
        (WEIGHTS | {"b": torch.rand(2).half()}, ": b is torch.float16; allowed: float32"),
        (WEIGHTS | {"b": torch.tensor([1, torch.inf])}, ": b has values that are not finite"),
        (WEIGHTS | {"b": torch.zeros(2, device="meta")}, ": b holds a torch.strided tensor on meta"),
        (WEIGHTS | {"c": torch.zeros(10**6)}, "has 4,00"),
        (print, "is no readable file of weights"),
    ],
)
def test_odd_weights_are_refused(value: object, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    torch.save(value, path)
    assert sentence in refused(READERS["weights"], path)


def test_sentences_of_our_own_pass_and_others_are_cut_to_one_printable_line(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"^ours$"), refusing(tmp_path, "image"):
        raise DataMissing("ours")
    with pytest.raises(DataMissing) as caught, refusing(tmp_path, "image"):
        raise ValueError("red: \x1b[31m" + 300 * "x" + "\nmore")
    assert "\x1b" not in str(caught.value)
    assert "more" not in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 280
