"""Images of a user's: every kind of pixels becomes colours, and what is no photograph is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.files import read_image
from tests.bench.datasets.readers import refused


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def pixels(path: Path) -> np.ndarray:
    return np.asarray(read_image(path))


def test_grey_of_16_bits_keeps_its_high_byte(tmp_path: Path) -> None:
    grey = np.array([[0, 255, 256, 32767, 32768, 65279, 65280, 65535]], np.uint16)
    path = save(tmp_path / "grey.png", Image.fromarray(grey))
    assert pixels(path)[0].tolist() == [[v, v, v] for v in (0, 0, 1, 127, 128, 254, 255, 255)]


def test_one_bit_grey_and_palette_become_colours(tmp_path: Path) -> None:
    colours = Image.fromarray(np.array([[[200, 100, 50], [0, 0, 0]]], np.uint8))
    assert pixels(save(tmp_path / "p.png", colours.convert("P"))).shape == (1, 2, 3)
    exact = colours.quantize(2)
    assert pixels(save(tmp_path / "exact.png", exact)).tolist() == [[[200, 100, 50], [0, 0, 0]]]
    assert pixels(save(tmp_path / "l.png", Image.new("L", (1, 1), 77))).tolist() == [[[77, 77, 77]]]
    assert pixels(save(tmp_path / "1.png", Image.new("1", (1, 1), 1))).tolist() == [[[255, 255, 255]]]


def test_cmyk_is_converted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (255, 0, 0, 0)), quality=100)
    assert np.abs(pixels(path).astype(int) - [0, 255, 255]).max() <= 2


def test_an_opaque_alpha_channel_is_dropped_and_any_other_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(path, Image.new("RGBA", (2, 2), (1, 2, 3, 255)))
    assert pixels(path).tolist() == [[[1, 2, 3]] * 2] * 2
    save(path, Image.new("LA", (2, 2), (9, 255)))
    assert pixels(path)[0, 0].tolist() == [9, 9, 9]
    for image, options in (
        (Image.new("RGBA", (2, 2), (1, 2, 3, 254)), {}),
        (Image.new("LA", (2, 2), (9, 0)), {}),
        (Image.new("P", (2, 2), 0), {"transparency": 0}),
        (Image.new("RGB", (2, 2), "red"), {"transparency": (255, 0, 0)}),
        (Image.fromarray(np.full((2, 2), 700, np.uint16)), {"transparency": 700}),
    ):
        assert "has transparent pixels" in refused(read_image, save(path, image, **options))


@pytest.mark.parametrize("suffix", ["gif", "eps", "bmp", "tiff"])
def test_other_formats_under_a_photographs_name_are_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path, suffix)
    assert "is no readable image" in refused(read_image, path)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in (*chunks, (b"IEND", b"")))


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(header(50_000, 50_000), (b"IDAT", zlib.compress(bytes(10**6)))))
    assert "exceeds limit" in refused(read_image, path)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_text_that_explodes_is_refused(kind: bytes, tmp_path: Path) -> None:
    text = zlib.compress(bytes(10**8))
    chunk = b"key\0\0" + text if kind == b"zTXt" else b"key\0\1\0\0\0" + text
    path = tmp_path / "text.png"
    path.write_bytes(png(header(2, 2), (kind, chunk), (b"IDAT", zlib.compress(bytes(14)))))
    assert "Decompressed data too large" in refused(read_image, path)


def test_size_is_checked_before_the_pixels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(header(9000, 9000)))
    assert refused(lambda file: read_image(file, (28, 28)), path) == "is 9000×9000, not 28×28"
