"""Writes what the source `rebuilt` of the dataset cub reads, from cub64.npz: birds of CUB-200-2011 that are cropped.

    python scripts/cub64_to_rebuilt.py cub64.npz DATA_ROOT
    python -m bench data check cub --source rebuilt --data-root DATA_ROOT

The keys that are read: `images_webp`, WebP files of 64×64 one after the other, image i from `images_offsets[i]` to
`images_offsets[i + 1]`; `captions_json`, UTF-8 of a list of N lists of ten captions; `filenames` [N], each
<species>/<name>.jpg; `is_test_class` [N]. DATA_ROOT is made; it holds CUB_200_2011 and cvpr2016_cub as their owners
lay them out, the images as PNG files with a box that is all of each.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from bench.runs.store import new_directory

PER_IMAGE = 10


def convert(archive: Path, root: Path) -> int:
    """Returns the number of images. Raises ValueError where the archive is not as it should be."""
    with np.load(archive, allow_pickle=False) as held:
        blob, offsets, is_test = (held[key] for key in ("images_webp", "images_offsets", "is_test_class"))
        captions = json.loads(held["captions_json"].tobytes())
        names = [PurePosixPath(name) for name in held["filenames"].tolist()]
    if not len(names) == len(captions) == len(is_test) == len(offsets) - 1:
        raise ValueError(
            "filenames, captions_json, is_test_class and images_offsets are of different numbers of images"
        )
    photographs, texts = root / "CUB_200_2011", root / "cvpr2016_cub"
    texts.mkdir()
    photographs.mkdir()
    listed: dict[bool, set[str]] = {False: set(), True: set()}
    images, boxes = [], []
    for i, (name, lines) in enumerate(zip(names, captions)):
        if len(name.parts) != 2 or ".." in name.parts or len(lines) != PER_IMAGE:
            raise ValueError(f"image {i}: {name} with {len(lines)} captions; expected <species>/<name>.jpg and ten")
        picture = Image.open(io.BytesIO(blob[offsets[i] : offsets[i + 1]].tobytes()), formats=["WEBP"]).convert("RGB")
        for path, write in (
            (photographs / "images" / name.with_suffix(".png"), picture.save),
            (
                texts / "text_c10" / name.with_suffix(".txt"),
                lambda path, lines=lines: path.write_text(_text(lines), encoding="utf-8"),
            ),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        images.append(f"{i + 1} {name.with_suffix('.png')}\n")
        boxes.append(f"{i + 1} 0.0 0.0 {picture.width:.1f} {picture.height:.1f}\n")
        listed[bool(is_test[i])].add(name.parts[0])
    (photographs / "images.txt").write_text("".join(images))
    (photographs / "bounding_boxes.txt").write_text("".join(boxes))
    for file, species in (("trainvalclasses.txt", listed[False]), ("testclasses.txt", listed[True])):
        (texts / file).write_text("".join(f"{name}\n" for name in sorted(species)))
    return len(names)


def _text(lines: list[str]) -> str:
    """A caption a line, whatever white space it has inside."""
    return "".join(f"{' '.join(line.split())}\n" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="cub64.npz")
    parser.add_argument("root", type=Path, help="the folder to make")
    options = parser.parse_args()
    if options.root.exists():
        print(f"{options.root} is there already: name a folder that is not", file=sys.stderr)
        return 2
    try:
        with new_directory(options.root) as root:
            n = convert(options.archive, root)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        print(f"{options.archive} cannot be converted: {error}", file=sys.stderr)
        return 1
    print(f"{options.root}: {n:,} images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
