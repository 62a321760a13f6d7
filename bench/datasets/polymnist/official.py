"""The published PolyMNIST archive: where it lies, how it is read, how it is fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.datasets.base import Report
from bench.datasets.download import fetch_archive, record_file
from bench.datasets.files import read_image, read_tensor, refusing
from bench.datasets.polymnist.recipe import CLASSES, MODALITY_NAMES, SIDE, SPLITS, Arrays, Images, named
from bench.errors import DataMissing
from bench.runs.store import exclusive

RECORD = "https://zenodo.org/api/records/4899160"
ARCHIVE = "PolyMNIST.zip"
SHAPE = (3, SIDE, SIDE)
SIZES = {"train": 60_000, "test": 10_000}
# The archive's own folder may have been unpacked into data_root, into a folder of its name, or be data_root itself.
PLACES = (".", "PolyMNIST", "MMNIST", "PolyMNIST/PolyMNIST", "PolyMNIST/MMNIST")
LAYOUTS = (MODALITY_NAMES, tuple(f"{name}.pt" for name in (*MODALITY_NAMES, "labels")))
LABEL_TYPES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.float32, torch.float64)
IMAGE_TYPES = (torch.uint8, torch.float32, torch.float64, torch.float16, torch.bfloat16)
CLASSIFIERS = ("trained_classifiers/trained_clfs_polyMNIST", "trained_clfs_polyMNIST", "clf")  # folders of releases
PNG_NAME = re.compile(r"([0-9]+)\.([0-9])\.png")  # <index>.<digit>.png


def locate(data_root: Path) -> list[Path]:
    """The ten image folders, or twelve tensor files, of a published layout; training first. Raises DataMissing."""
    if inputs := _find(data_root):
        return inputs
    raise DataMissing(
        f"no official PolyMNIST under {data_root}: neither PolyMNIST/{{train,test}}/m0…m4/<index>.<digit>.png "
        f"nor MMNIST/{{train,test}}/{{m0…m4,labels}}.pt is complete. `bench data fetch polymnist` gets it. "
        f"{_alternatives(data_root)}"
    )


def _find(root: Path) -> list[Path]:
    """What `locate` gives; empty if there is none."""
    for place in PLACES:
        for layout in LAYOUTS:
            inputs = [root / place / split / entry for split in SPLITS for entry in layout]
            if all(path.exists() for path in inputs):
                return inputs
    return []


def classifier_files(data_root: Path) -> dict[str, Path]:
    """{modality: file} of the digit classifiers that come with the archive, whether or not all of them are there; empty
    where none is. Raises DataMissing where the folder cannot be looked into."""
    with refusing(data_root, "folder of data"):
        for place in PLACES:
            for folder in CLASSIFIERS:
                files = {
                    name: data_root / place / folder / f"pretrained_img_to_digit_clf_{name}" for name in MODALITY_NAMES
                }
                if any(map(os.path.lexists, files.values())):
                    return files
    return {}


def build(inputs: Sequence[Path]) -> Arrays:
    """60,000 training and 10,000 test tuples from what `locate` found.

    Raises DataMissing when a file is damaged or absent, or holds anything else.
    """
    read = _read_tensors if inputs[0].suffix == ".pt" else _read_folders
    half = len(inputs) // 2
    arrays: Arrays = {}
    for split, paths in zip(SPLITS, (inputs[:half], inputs[half:]), strict=True):
        arrays |= named(split, read(paths, SIZES[split]))
    return arrays


def _read_folders(folders: Sequence[Path], n: int) -> Arrays:
    """Sorted by (digit, index), never by directory order, which differs between folders and file systems."""
    listings = [_list_pngs(folder) for folder in folders]
    for folder, listing in zip(folders, listings, strict=True):
        if odd := sorted(listing.keys() ^ listings[0].keys()):
            digit, index = odd[0]
            where = "lacks" if odd[0] in listings[0] else "adds"
            raise DataMissing(f"{folder} {where} {index}.{digit}.png, compared with {folders[0]}: unpack both again")
    if len(keys := sorted(listings[0])) != n:
        raise DataMissing(f"{folders[0]} holds {len(keys):,} images <index>.<digit>.png, not {n:,}: unpack it again")
    arrays: Arrays = {}
    with ThreadPoolExecutor() as pool:
        for name, folder, listing in zip(MODALITY_NAMES, folders, listings, strict=True):
            arrays[name] = np.stack(list(pool.map(_read_png, [folder / listing[key] for key in keys])))
    return arrays | {"labels": np.array([digit for digit, _ in keys], np.int64)}


def _list_pngs(folder: Path) -> dict[tuple[int, int], str]:
    with refusing(folder, "folder of images"):
        matches = [PNG_NAME.fullmatch(path.name) for path in folder.iterdir()]
    return {(int(match[2]), int(match[1])): match[0] for match in matches if match}


def _read_png(path: Path) -> Images:
    return np.asarray(read_image(path, (SIDE, SIDE))).transpose(2, 0, 1)


def _read_tensors(paths: Sequence[Path], n: int) -> Arrays:
    read = {path: _read_labels if path.stem == "labels" else _read_images for path in paths}
    return {path.stem: read[path](path, n).numpy() for path in paths}


def _read_labels(path: Path, n: int) -> Tensor:
    labels = read_tensor(path, (n,), LABEL_TYPES)
    if not torch.isin(labels, torch.arange(CLASSES)).all():
        raise DataMissing(f"{path} has labels outside 0…{CLASSES - 1}")
    return labels.long()


def _read_images(path: Path, n: int) -> Tensor:
    images = read_tensor(path, (n, *SHAPE), IMAGE_TYPES)
    if images.dtype == torch.uint8:
        return images
    if not ((images >= 0) & (images <= 1)).all():
        raise DataMissing(f"{path} is {images.dtype} beyond [0, 1]; allowed: uint8, or floats that all lie in [0, 1]")
    return (images * 255).round().to(torch.uint8)


def fetch(data_root: Path, base_url: str = RECORD, report: Report | None = None) -> Path:
    """Downloads and unpacks the archive into `data_root`, unless it is there; returns its folder.

    An interrupted download resumes at the next call. `report(done, total)` is called with bytes.

    Raises DataMissing, with the alternatives, when anything fails; the folder appears whole or not at all.
    """
    try:
        with exclusive(data_root / ".polymnist.lock"):
            if not _find(data_root):
                remote = record_file(base_url, ARCHIVE)
                fetch_archive(remote, data_root / ARCHIVE, lambda folder: bool(_find(folder)), report)
    except (DataMissing, OSError) as error:
        raise DataMissing(f"{error} {_alternatives(data_root)}") from error
    return locate(data_root)[0].parent.parent


def _alternatives(data_root: Path) -> str:
    return (
        f"Alternatives: `--source bundled` needs no files; or fetch {ARCHIVE} by hand and unpack it into {data_root}; "
        f"or put MNIST's four IDX files into {data_root / 'mnist'} and five photographs into "
        f"{data_root / 'polymnist_backgrounds'} and take `--source rebuilt`."
    )
