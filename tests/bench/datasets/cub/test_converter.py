"""scripts/cub64_to_rebuilt.py: what it writes is read by the source `rebuilt`, pixel for pixel."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bench.datasets.cub import CUB
from tests.docs.blocks import ROOT


def write(path, captions=10):
    rng = np.random.default_rng(0)
    pictures, blobs = rng.integers(0, 256, (3, 64, 64, 3), np.uint8), []
    for picture in pictures:
        Image.fromarray(picture).save(file := io.BytesIO(), "WEBP", lossless=True)
        blobs.append(file.getvalue())
    sentences = [[f"this bird is red. caption\n{line} of {i}, naïve" for line in range(captions)] for i in range(3)]
    np.savez(
        path,
        images_webp=np.frombuffer(b"".join(blobs), np.uint8),
        images_offsets=np.cumsum([0, *map(len, blobs)]),
        captions_json=np.frombuffer(json.dumps(sentences).encode(), np.uint8),
        filenames=np.array(["002.B/x.jpg", "001.A/y.jpg", "002.B/z.jpg"]),
        is_test_class=np.array([False, True, False]),
    )
    return pictures


def convert(*arguments):
    script = ROOT / "scripts/cub64_to_rebuilt.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


def test_what_it_writes_is_what_rebuilt_reads(tmp_path):
    pictures = write(tmp_path / "cub64.npz")
    done = convert(tmp_path / "cub64.npz", tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'out'}: 3 images\n"), done.stderr
    data = CUB.load("auto", tmp_path / "out")
    assert data.source == "rebuilt"
    assert (data.train.items["image"].numpy()[::10] == pictures[[0, 2]].transpose(0, 3, 1, 2)).all()
    assert (data.test.items["image"].numpy()[3] == pictures[1].transpose(2, 0, 1)).all()
    assert data.modalities[1].sentences(data.train.items["caption"][3:4]) == [
        "this bird is red . caption <unk> of 0 , naïve"
    ]
    again = convert(tmp_path / "cub64.npz", tmp_path / "out")
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize("damage", ["nine captions", "no archive", "cut off"])
def test_a_bad_archive_leaves_nothing(damage, tmp_path):
    archive = tmp_path / "cub64.npz"
    write(archive, captions=9 if damage == "nine captions" else 10)
    if damage == "no archive":
        archive.unlink()
    elif damage == "cut off":
        archive.write_bytes(archive.read_bytes()[:3000])
    done = convert(archive, tmp_path / "out")
    assert done.returncode == 1
    assert "cannot be converted" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path != archive] == []
