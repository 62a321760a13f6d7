"""Pictures as they are embedded in report.html."""

import numpy as np
import pytest
from PIL import Image

from bench.reporting.page.pictures import embedded, first_samples, read_picture, reduced
from bench.runs.reading import Unreadable
from tests.bench.reporting.page.conftest import picture


def test_enlarged_pictures_are_reduced_exactly():
    enlarged = picture(2, 3)
    assert reduced(enlarged).size == (enlarged.width // 2, enlarged.height // 2)
    assert reduced(enlarged).resize(enlarged.size, Image.Resampling.NEAREST).tobytes() == enlarged.tobytes()
    noise = reduced(enlarged)
    assert reduced(noise) is noise


def test_what_is_no_picture_is_unreadable(tmp_path):
    path = tmp_path / "picture.png"
    for content in (b"text", b"\x89PNG\r\n\x1a\n" + bytes(30), b""):
        path.write_bytes(content)
        with pytest.raises(Unreadable):
            read_picture(path)
    Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(Unreadable, match="9000 x 9000 pixels"):
        read_picture(path)


def test_sheets_with_words_keep_their_size_and_show_whole_columns():
    words = Image.effect_noise((20 * 192, 230), 90).convert("RGB")
    shown = first_samples(words)
    assert shown.size == (12 * 192, 230)
    assert embedded(shown).written
    assert embedded(shown).width == shown.width
    enlarged = words.resize((20 * 192 * 2, 460), Image.Resampling.NEAREST)
    assert first_samples(enlarged) is enlarged
    assert not embedded(enlarged).written


def test_large_pictures_are_made_smaller():
    assert embedded(Image.effect_noise((3500, 70), 90).convert("RGB")).width == 3000


def test_noise_is_embedded():
    pixels = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    found = embedded(Image.fromarray(pixels))
    assert (found.width, found.height) == (600, 600)
    assert found.src.startswith("data:image/jpeg;base64,")
