"""Files of the user's: read whole, or refused with a sentence. They may be anything, hostile included."""

from __future__ import annotations

import gzip
import math
import stat
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.config.values import shown
from bench.errors import BenchError, DataMissing

FORMATS = ("PNG", "JPEG")  # others of PIL's decoders have no business here, and one of them starts programs

# Bytes. A damaged picture may be searched byte by byte for its next part, which takes hours in a sparse file.
LARGEST_IMAGE = 64 << 20


@contextmanager
def refusing(path: Path, what: str) -> Iterator[None]:
    """Around what reads `path`: raises DataMissing, for people, whatever that raises."""
    try:
        yield
    except BenchError:
        raise
    # Readers of broken files raise nearly anything: ValueError, struct.error, KeyError, RecursionError, MemoryError …
    except Exception as error:
        raise DataMissing(f"{path} is no readable {what} ({reason(error)}): put another in its place") from error


def reason(error: Exception) -> str:
    """An error's first line, short and printable: some messages quote the file, which may be hostile."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = "".join(c for c in text.strip().partition("\n")[0] if c.isprintable())
    return (first[:200] or type(error).__name__).rstrip(".")


def check_file(path: Path, what: str, limit: int | None = None) -> None:
    """Raises DataMissing unless it is a file (never a FIFO, which would block) of 1 to `limit` bytes."""
    with refusing(path, what):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise DataMissing(f"{path} is {kind}, where a file is expected ({what}): put it in its place")
    if not status.st_size:
        raise DataMissing(f"{path} is empty: fetch it again")
    if limit is not None and status.st_size > limit:
        raise DataMissing(f"{path} has {status.st_size:,} bytes; the largest {what} has {limit:,}: fetch it again")


def read_bytes(path: Path, what: str, limit: int) -> bytes:
    """A file's content of at most `limit` bytes, unpacked if it is a .gz. Raises DataMissing."""
    check_file(path, what, limit)
    with refusing(path, what), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise DataMissing(f"{path} unpacks to more than {limit:,} bytes, the largest {what}: fetch it again")
    return content


def read_image(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """A PNG or JPEG file as RGB.

    Greys of 16 bits become their high byte, as 16-bit colours do. What a transparent pixel would look like is nobody's
    to say: an alpha channel must be opaque.

    Args:
        size: width and height that it must have.

    Raises DataMissing.
    """
    check_file(path, "image", LARGEST_IMAGE)
    with refusing(path, "image"), Image.open(path, formats=FORMATS) as file:
        if size and file.size != size:
            raise DataMissing(f"{path} is {file.width}×{file.height}, not {size[0]}×{size[1]}")
        if file.mode.startswith("I"):
            return _from_16_bits(path, file)
        if "A" in file.getbands() or "transparency" in file.info:
            opaque = file.convert("RGBA")
            if opaque.getchannel("A").getextrema() != (255, 255):
                raise _transparent(path)
            return opaque.convert("RGB")
        return file.convert("RGB")


def _from_16_bits(path: Path, file: Image.Image) -> Image.Image:
    """`convert` alone would clip all above 255 to white."""
    if "transparency" in file.info:
        raise _transparent(path)
    grey = np.asarray(file).astype(np.int64)
    if grey.min() < 0 or grey.max() >= 1 << 16:
        raise DataMissing(f"{path} has more than 16 bits a pixel: save it with 8")
    return Image.fromarray((grey >> 8).astype(np.uint8)).convert("RGB")


def _transparent(path: Path) -> DataMissing:
    return DataMissing(f"{path} has transparent pixels: save it without transparency")


def read_tensor(path: Path, shape: tuple[int, ...], dtypes: Collection[torch.dtype]) -> Tensor:
    """The tensor [*shape], of one of `dtypes`, that a .pt file holds. Nothing in the file is executed.

    Raises DataMissing.
    """
    tensor = _load(path, "tensor file", math.prod(shape))
    if not isinstance(tensor, Tensor):
        raise DataMissing(f"{path} holds a {type(tensor).__name__}, not a tensor")
    return _plain(path, "", tensor, shape, dtypes)


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The finite float32 tensors {name: [*shape]} of the state_dict that a file holds. Nothing in it is executed.

    Raises DataMissing.
    """
    found = _load(path, "file of weights", sum(map(math.prod, shapes.values())))
    if not isinstance(found, Mapping) or found.keys() != shapes.keys():
        holds = shown(list(found)) if isinstance(found, Mapping) else f"a {type(found).__name__}"
        raise DataMissing(f"{path} holds {holds}, not the weights {', '.join(shapes)}")
    weights = {}
    for name, shape in shapes.items():
        if not isinstance(tensor := found[name], Tensor):
            raise DataMissing(f"{path}: {name} is a {type(tensor).__name__}, not a tensor")
        weights[name] = _plain(path, f": {name}", tensor, shape, [torch.float32])
        if not weights[name].isfinite().all():
            raise DataMissing(f"{path}: {name} has values that are not finite: unpack the archive again")
    return weights


def _load(path: Path, what: str, elements: int) -> object:
    """What torch.load gives of a file that should hold so many numbers."""
    limit = 16 * elements + (1 << 20)  # twice what float64 takes, and some room for the format
    check_file(path, what, limit)
    with refusing(path, what):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > limit:
                    raise DataMissing(f"{path} unpacks to more than {limit:,} bytes: fetch it again")
        return torch.load(path, weights_only=True, map_location="cpu")


def _plain(path: Path, where: str, x: Tensor, shape: tuple[int, ...], dtypes: Collection[torch.dtype]) -> Tensor:
    """The tensor, if it has that shape and one of those types; `where` in the file it is goes into the message."""
    if x.is_nested or x.layout != torch.strided or x.device.type != "cpu":
        raise DataMissing(f"{path}{where} holds a {x.layout} tensor on {x.device}, not a plain one")
    if tuple(x.shape) != shape:
        raise DataMissing(f"{path}{where} holds {list(x.shape)}, not {list(shape)}: unpack the archive again")
    if x.dtype not in dtypes:
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise DataMissing(f"{path}{where} is {x.dtype}; allowed: {allowed}")
    return x.detach().resolve_neg().contiguous()
