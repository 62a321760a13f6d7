"""PolyMNIST: five images of the same digit, each in another handwriting over another background.

Three sources, best first: `official` is the published archive, `rebuilt` the published recipe on MNIST and photographs
that the user has, `bundled` the recipe on what the installed packages carry. Results of two sources do not compare.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench.datasets import polymnist_recipe as recipe
from bench.datasets.base import Dataset, Split
from bench.datasets.download import Report, fetch_archive, record_file
from bench.datasets.polymnist_recipe import CLASSES, MODALITY_NAMES, SIDE, SPLITS, Arrays, Images, read_image
from bench.errors import DataMissing, UsageError, unknown
from bench.store import cache_root, exclusive, new_directory, read_json, write_json
from methods.base import Modality

NAME = "polymnist"
SHAPE = (3, SIDE, SIDE)
MODALITIES = tuple(Modality(name, SHAPE) for name in MODALITY_NAMES)
RECORD = "https://zenodo.org/api/records/4899160"
ARCHIVE = "PolyMNIST.zip"
OFFICIAL_SIZES = {"train": 60_000, "test": 10_000}
# The archive's own folder may have been unpacked into data_root, into a folder of its name, or be data_root itself.
OFFICIAL_PLACES = (".", "PolyMNIST", "MMNIST", "PolyMNIST/PolyMNIST", "PolyMNIST/MMNIST")
OFFICIAL_LAYOUTS = (MODALITY_NAMES, tuple(f"{name}.pt" for name in (*MODALITY_NAMES, "labels")))
PNG_NAME = re.compile(r"(\d+)\.(\d)\.png")  # <index>.<digit>.png

logger = logging.getLogger("bench")


def _official_inputs(root: Path) -> list[Path]:
    """The ten image folders, or twelve tensor files, of a published layout; training first. Empty if there is none."""
    for place in OFFICIAL_PLACES:
        for layout in OFFICIAL_LAYOUTS:
            inputs = [root / place / split / entry for split in SPLITS for entry in layout]
            if all(path.exists() for path in inputs):
                return inputs
    return []


def _locate_official(data_root: Path) -> list[Path]:
    if inputs := _official_inputs(data_root):
        return inputs
    raise DataMissing(
        f"no official PolyMNIST under {data_root}: neither PolyMNIST/{{train,test}}/m0…m4/<index>.<digit>.png "
        f"nor MMNIST/{{train,test}}/{{m0…m4,labels}}.pt is complete. {_alternatives(data_root)}"
    )


def _official(inputs: Sequence[Path]) -> Arrays:
    read = _read_tensors if inputs[0].suffix == ".pt" else _read_folders
    half = len(inputs) // 2
    arrays: Arrays = {}
    for split, paths in zip(SPLITS, (inputs[:half], inputs[half:]), strict=True):
        part = read(paths)
        for path, (name, array) in zip(paths, part.items(), strict=False):  # image folders carry the labels as well
            expected = (OFFICIAL_SIZES[split], *(() if name == "labels" else SHAPE))
            if array.shape != expected:
                raise DataMissing(f"{path} holds {list(array.shape)}, not {list(expected)}: unpack the archive again")
        arrays |= recipe.named(split, part)
    return arrays


def _read_folders(folders: Sequence[Path]) -> Arrays:
    """Sorted by (digit, index), never by directory order, which differs between folders and file systems."""
    listings = [_list_pngs(folder) for folder in folders]
    for folder, listing in zip(folders, listings, strict=True):
        if odd := sorted(listing.keys() ^ listings[0].keys()):
            digit, index = odd[0]
            where = "lacks" if odd[0] in listings[0] else "adds"
            raise DataMissing(f"{folder} {where} {index}.{digit}.png, compared with {folders[0]}: unpack both again")
    keys = sorted(listings[0])
    arrays: Arrays = {}
    with ThreadPoolExecutor() as pool:
        for name, folder, listing in zip(MODALITY_NAMES, folders, listings, strict=True):
            images = list(pool.map(_read_png, [folder / listing[key] for key in keys]))
            arrays[name] = np.stack(images) if images else np.empty((0, *SHAPE), np.uint8)
    return arrays | {"labels": np.array([digit for digit, _ in keys], np.int64)}


def _list_pngs(folder: Path) -> dict[tuple[int, int], str]:
    matches = (PNG_NAME.fullmatch(path.name) for path in folder.iterdir())
    return {(int(match[2]), int(match[1])): match[0] for match in matches if match}


def _read_png(path: Path) -> Images:
    image = read_image(path)
    if image.size != (SIDE, SIDE):
        raise DataMissing(f"{path} is {image.width}×{image.height}, not {SIDE}×{SIDE}")
    return np.asarray(image).transpose(2, 0, 1)


def _read_tensors(paths: Sequence[Path]) -> Arrays:
    arrays: Arrays = {}
    for path in paths:
        try:
            tensor = torch.load(path, weights_only=True, map_location="cpu")
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise DataMissing(f"{path} is no readable tensor file: {error}") from error
        if not isinstance(tensor, Tensor):
            raise DataMissing(f"{path} holds a {type(tensor).__name__}, not a tensor")
        convert = _checked_labels if path.stem == "labels" else _as_bytes
        arrays[path.stem] = convert(path, tensor).numpy()
    return arrays


def _checked_labels(path: Path, labels: Tensor) -> Tensor:
    if not torch.isin(labels, torch.arange(CLASSES)).all():
        raise DataMissing(f"{path} has labels outside 0…{CLASSES - 1}")
    return labels.long()


def _as_bytes(path: Path, images: Tensor) -> Tensor:
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point() or not ((images >= 0) & (images <= 1)).all():
        raise DataMissing(f"{path} is {images.dtype}; allowed: uint8, or floats that all lie in [0, 1]")
    return (images * 255).round().to(torch.uint8)


class Source(NamedTuple):
    locate: Callable[[Path], list[Path]]  # data_root -> input files or folders; raises DataMissing
    build: Callable[[Sequence[Path]], Arrays]


_SOURCES = {
    "official": Source(_locate_official, _official),
    "rebuilt": Source(recipe.locate_ingredients, recipe.rebuilt),
    "bundled": Source(lambda _data_root: [], lambda _inputs: recipe.bundled()),
}
SOURCES = tuple(_SOURCES)  # from best to default


def load(source: str, data_root: Path) -> Dataset:
    """The dataset on the CPU, from the cache when it was built before.

    Args:
        source: one of `SOURCES`, or "auto" for the best whose files are under `data_root`.

    Raises:
        UsageError: for another word.
        DataMissing: when files are absent or not what they claim to be, or the cache cannot be written.
    """
    if source not in ("auto", *SOURCES):
        raise UsageError(unknown("source", source, ("auto", *SOURCES)))
    if source == "auto":
        source = next(name for name in SOURCES if _available(name, data_root))
    tensors, fingerprint = _cached(source, _SOURCES[source].locate(data_root))
    train, test = (
        Split({name: tensors[f"{split}-{name}"] for name in MODALITY_NAMES}, tensors[f"{split}-labels"])
        for split in SPLITS
    )
    return Dataset(NAME, source, fingerprint, MODALITIES, CLASSES, train, test)


def _available(source: str, data_root: Path) -> bool:
    try:
        _SOURCES[source].locate(data_root)
    except DataMissing:
        return False
    return True


def _cached(source: str, inputs: Sequence[Path]) -> tuple[dict[str, Tensor], str]:
    # Of a folder of 60,000 images only the folder's own time of change is asked: asking each would take minutes on a
    # network file system. An image that is edited in place goes unnoticed.
    stats = [(str(path.resolve()), path.stat()) for path in inputs]
    identity = json.dumps([recipe.VERSION, [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]])
    folder = cache_root() / NAME / f"{source}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    try:
        with exclusive(folder.with_name(f".{folder.name}.lock")):
            return _read_or_build(folder, source, inputs)
    except OSError as error:
        raise DataMissing(
            f"the cache of PolyMNIST cannot be written: {error}. Set BENCH_CACHE to a folder with 1 GB to spare"
        ) from error


def _read_or_build(folder: Path, source: str, inputs: Sequence[Path]) -> tuple[dict[str, Tensor], str]:
    if folder.exists():
        try:
            return _read_cache(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("cache %s is damaged (%s): removed, building it again", folder, error)
            shutil.rmtree(folder)
    arrays = _SOURCES[source].build(inputs)
    with new_directory(folder) as new:
        _write_cache(new, arrays)
    return _read_cache(folder)


def _write_cache(folder: Path, arrays: Arrays) -> None:
    files: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        np.save(path, array)
        crc = zlib.crc32(path.read_bytes())
        files[name] = {"sha256": _sha256(name, array), "bytes": path.stat().st_size, "crc32": crc}
    write_json(folder / "meta.json", {"fingerprint": _fingerprint(files), "files": files})


def _read_cache(folder: Path) -> tuple[dict[str, Tensor], str]:
    """Tensors over memory-mapped files, which parallel runs share, and the fingerprint. Raises ValueError on damage."""
    meta = read_json(folder / "meta.json")
    if _fingerprint(meta["files"]) != meta["fingerprint"]:
        raise ValueError("meta.json contradicts itself")
    tensors = {}
    for name, file in meta["files"].items():
        path = folder / f"{name}.npy"
        if path.stat().st_size != file["bytes"] or zlib.crc32(path.read_bytes()) != file["crc32"]:
            raise ValueError(f"{path.name} has another size or checksum")
        # Copy-on-write, because torch warns about arrays that it could not write to.
        tensors[name] = torch.from_numpy(np.load(path, mmap_mode="c"))
    return tensors, meta["fingerprint"]


def _sha256(name: str, array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{name} {array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _fingerprint(files: dict[str, dict[str, Any]]) -> str:
    """SHA-256 over the arrays' own sums, each of which covers name, type, shape and content."""
    return hashlib.sha256("".join(files[name]["sha256"] for name in sorted(files)).encode()).hexdigest()


def fetch(data_root: Path, base_url: str = RECORD, report: Report | None = None) -> Path:
    """Downloads and unpacks the official archive into `data_root`, unless it is there; returns its folder.

    An interrupted download goes on at the next call. `report(done, total)` is called with bytes.

    Raises DataMissing, with the alternatives, when anything fails; the folder appears whole or not at all.
    """
    try:
        with exclusive(data_root / f".{NAME}.lock"):
            if not _official_inputs(data_root):
                remote = record_file(base_url, ARCHIVE)
                fetch_archive(remote, data_root / ARCHIVE, lambda folder: bool(_official_inputs(folder)), report)
    except (DataMissing, OSError) as error:
        raise DataMissing(f"{error} {_alternatives(data_root)}") from error
    return _locate_official(data_root)[0].parent.parent


def _alternatives(data_root: Path) -> str:
    return (
        f"Alternatives: `--source bundled` needs no files; or fetch {ARCHIVE} by hand and unpack it into {data_root}; "
        f"or put MNIST's four IDX files into {data_root / 'mnist'} and five photographs into "
        f"{data_root / 'polymnist_backgrounds'} and take `--source rebuilt`."
    )


def contact_sheet(dataset: Dataset, columns: int = 10) -> Image.Image:
    """A picture of test tuples, one a column and one modality a row, enlarged three times without smoothing.

    Column c shows class c mod 10: the first test tuple of each class, then the second of each, and so on.
    """
    labels = dataset.test.labels.cpu()
    rows = [int((labels == c % dataset.classes).nonzero()[c // dataset.classes]) for c in range(columns)]
    strips = [torch.cat(list(dataset.test.items[m.name][rows].cpu()), dim=-1) for m in dataset.modalities]
    image = Image.fromarray(torch.cat(strips, dim=-2).permute(1, 2, 0).numpy())
    return image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST)
