"""The user's files -> arrays of items and labels, each row checked. They may be anything, hostile included.

Every function raises DataMissing, which names the file, the row (counted from 0; lines of a text from 1) and what is
expected.
"""

from __future__ import annotations

import codecs
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.files import check_file, read_bytes, refusing
from bench.errors import DataMissing
from methods.modality import END, SPECIAL, UNKNOWN

Sentences = list[list[str]]  # the words of each

LARGEST_ARRAY = 8 << 30  # bytes
LARGEST_TEXT = 64 << 20
MOST_WORDS = 10_000  # of a vocabulary; rarer ones become <unk>
MOST_TOKENS = 64  # where the description does not say how many
BLOCK = 1 << 24  # numbers that are checked at once
FACTOR, SMALLEST = 4, 8  # the sides of images: what the networks take


def locate(folder: Path, split: str, name: str, suffixes: Sequence[str]) -> Path:
    """The one file of an item or label in a split: folder/split/name with one of the suffixes."""
    paths = [folder / split / f"{name}{suffix}" for suffix in suffixes]
    found = [path for path in paths if os.path.lexists(path)]
    if not found:
        others = "".join(f", or {path.name}" for path in paths[1:])
        raise DataMissing(f"there is no {paths[0]}{others}: a row of it is {name} of one tuple of the {split} split")
    if len(found) > 1:
        raise DataMissing(f"{found[0]} and {found[1].name} are both there: keep one of them")
    return found[0]


def read_array(path: Path) -> NDArray[Any]:
    """The array of an .npy file, mapped, or of an .npz file that holds one. Nothing in the file is executed."""
    check_file(path, "array", LARGEST_ARRAY)
    with refusing(path, "array"):
        if path.suffix == ".npz":
            return _of_archive(path)
        array = np.lib.format.open_memmap(path, mode="r")
        held, promised = path.stat().st_size, array.offset + array.nbytes
        if held != promised:
            raise DataMissing(f"{path} promises {promised:,} bytes and holds {held:,}: save it again")
        return array


def _of_archive(path: Path) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise DataMissing(f"{path} holds {len(members)} arrays, where one is expected: save one a file")
        if members[0].file_size > LARGEST_ARRAY:
            raise DataMissing(f"{path} unpacks to more than {LARGEST_ARRAY:,} bytes, the largest array")
        with archive.open(members[0]) as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def images(path: Path) -> NDArray[np.uint8]:
    """uint8 [N, 1 or 3, H, W], H and W multiples of 4."""
    x = read_array(path)
    expected = "images are bytes (uint8, 0 to 255), N × height × width or N × channels × height × width"
    if x.dtype != np.uint8:
        raise DataMissing(f"{path} is {x.dtype} {list(x.shape)}: {expected}")
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        raise DataMissing(f"{path} is {list(x.shape)}, with channels last: save x.transpose(0, 3, 1, 2)")
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise DataMissing(f"{path} is {list(x.shape)}: {expected}, with 1 or 3 channels")
    if min(x.shape[2:]) < SMALLEST or x.shape[2] % FACTOR or x.shape[3] % FACTOR:
        raise DataMissing(
            f"{path} has images of {x.shape[2]}×{x.shape[3]}: height and width have to be multiples of {FACTOR}, at "
            f"least {SMALLEST}, for the networks: pad them with np.pad"
        )
    return _with_rows(path, x)


def vectors(path: Path, *, binary: bool) -> NDArray[np.float32]:
    """float32 [N, D], all finite.

    Args:
        binary: whether the likelihood needs numbers in [0, 1].
    """
    x = read_array(path)
    if x.dtype.kind != "f" or x.ndim != 2 or not x.shape[1]:
        raise DataMissing(f"{path} is {x.dtype} {list(x.shape)}: vectors are floats, N × numbers")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is named below
        x = _with_rows(path, x).astype(np.float32, copy=False)
    _check_rows(path, x, np.isfinite, "finite numbers")
    if binary:
        _check_rows(path, x, lambda part: (part >= 0) & (part <= 1), "numbers from 0 to 1 (likelihood: bernoulli)")
    return x


def labels(path: Path, classes: int) -> NDArray[np.int64]:
    """int64 [N], in −1 … classes − 1."""
    x = read_array(path)
    if x.dtype.kind not in "iu" or x.ndim != 1:
        raise DataMissing(f"{path} is {x.dtype} {list(x.shape)}: labels are whole numbers, one a row")
    known = f"a class from 0 to {classes - 1}, or -1 where it is not known"
    _check_rows(path, _with_rows(path, x)[:, None], lambda part: (part >= -1) & (part < classes), known)
    return x.astype(np.int64)


def _with_rows(path: Path, x: NDArray[Any]) -> NDArray[Any]:
    if not len(x):
        raise DataMissing(f"{path} is {list(x.shape)}: it has no rows")
    return x


def _check_rows(path: Path, x: NDArray[Any], holds: Callable[[NDArray[Any]], NDArray[np.bool_]], expected: str) -> None:
    """Names the first row [D] of x [N, D] with a number that is not as expected."""
    step = max(1, BLOCK // x.shape[1])
    for start in range(0, len(x), step):
        wrong = ~holds(x[start : start + step])
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            place = f", column {column}" if x.shape[1] > 1 else ""
            raise DataMissing(f"{path}, row {start + row}{place}: is {x[start + row, column]}; expected {expected}")


def sentences(path: Path) -> Sentences:
    """The words of each line of a text in UTF-8."""
    content = read_bytes(path, "text", LARGEST_TEXT).removeprefix(codecs.BOM_UTF8)
    lines = content.removesuffix(b"\n").split(b"\n")
    return [_words(path, number, line) for number, line in enumerate(lines, 1)]


def _words(path: Path, number: int, line: bytes) -> list[str]:
    try:
        words = line.decode().split()
    except UnicodeDecodeError:
        raise DataMissing(f"{path}, line {number}: is not UTF-8; expected one sentence a line in UTF-8") from None
    if not words:
        raise DataMissing(f"{path}, line {number}: is empty; expected one sentence a line, with words in it")
    return words


def vocabulary(training: Sentences) -> list[str]:
    """The most frequent words, after the special ones: ids are places in it."""
    counts = Counter(word for words in training for word in words)
    ranked = sorted((word for word in counts if word not in SPECIAL), key=lambda word: (-counts[word], word))
    return [*SPECIAL, *ranked[:MOST_WORDS]]


def token_count(training: Sentences) -> int:
    """The words of the longest sentence and its end, but no more than MOST_TOKENS."""
    return min(MOST_TOKENS, 1 + max(map(len, training)))


def token_ids(text: Sentences, words: Sequence[str], tokens: int) -> NDArray[np.int64]:
    """[N, tokens]: words, <eos>, <pad>. What is longer is cut."""
    known = {word: i for i, word in enumerate(words) if i >= len(SPECIAL)}
    ids = np.zeros((len(text), tokens), np.int64)  # <pad> is 0
    for row, sentence in zip(ids, text, strict=True):
        kept = [known.get(word, UNKNOWN) for word in sentence[: tokens - 1]]
        row[: len(kept) + 1] = [*kept, END]
    return ids


def check_same_rows(rows: Iterator[tuple[Path, int]]) -> None:
    """All files of a split have to have as many rows as the first."""
    first, expected = next(rows)
    for path, n in rows:
        if n != expected:
            raise DataMissing(f"{path} has {n:,} rows, and {first.name} has {expected:,}: row i of each is of tuple i")
