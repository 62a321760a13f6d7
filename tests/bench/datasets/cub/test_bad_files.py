"""Photographs and captions that are not what they should be: each is named, and nothing is kept."""

import shutil

import pytest
from PIL import Image

from bench.datasets.cub import CUB
from bench.errors import DataMissing

RED = "001.Red_Bird"


@pytest.fixture
def refused(tmp_path):
    """Loads, and gives the message."""

    def load(source, root):
        with pytest.raises(DataMissing) as error:
            CUB.load(source, root)
        kept = tmp_path / "cache" / "cub"
        assert [path.name for path in kept.glob("*") if not path.name.startswith(".")] == []
        return str(error.value)

    return load


def edit(path, change):
    path.write_bytes(change(path.read_bytes()))


OFFICIAL = {
    "a line too few": (
        lambda root: edit(root / "text_trainvalclasses.txt", lambda x: x[: x.rstrip().rindex(b"\n")]),
        ["text_trainvalclasses.txt has 29 lines", "30 lines", "after line 29", "002.Blue_Bird/first.png"],
    ),
    "a line too many": (
        lambda root: edit(root / "text_testclasses.txt", lambda x: x + b"one more\n"),
        ["text_testclasses.txt has 21 lines", "line 21 is a caption of no image"],
    ),
    "a missing image": (
        lambda root: (root / "train" / RED / "first.png").unlink(),
        ["text_trainvalclasses.txt has 30 lines", "has 2 images", "line 21 is a caption of no image"],
    ),
    "a truncated image": (
        lambda root: edit(root / "test/003.Grey_Bird/second.png", lambda x: x[: len(x) // 2]),
        ["test/003.Grey_Bird/second.png is no readable image"],
    ),
    "an empty image": (
        lambda root: edit(root / "test/003.Grey_Bird/second.png", lambda _: b""),
        ["second.png is empty"],
    ),
    "a species twice": (
        lambda root: shutil.move(root / "test" / "003.Grey_Bird", root / "test" / RED),
        [RED, "train and in", "never for both"],
    ),
    "no images": (lambda root: shutil.rmtree(root / "test/003.Grey_Bird"), ["test holds no images"]),
    "no text": (lambda root: edit(root / "text_testclasses.txt", lambda _: b""), ["text_testclasses.txt is empty"]),
    "no captions": (
        lambda root: edit(root / "text_trainvalclasses.txt", lambda _: b"\n" * 30),
        ["text_trainvalclasses.txt holds no captions"],
    ),
    "not UTF-8": (
        lambda root: edit(root / "text_trainvalclasses.txt", lambda x: x.replace(b"image 1, line 4", b"\xff\xfe")),
        ["text_trainvalclasses.txt, line 15: is not UTF-8"],
    ),
}


@pytest.mark.parametrize("case", OFFICIAL)
def test_official(case, official, refused):
    damage, named = OFFICIAL[case]
    damage(official)
    message = refused("official", official.parent)
    assert all(words in message for words in named), message


def captions(root):
    return root / "cvpr2016_cub" / "text_c10" / RED / "first.txt"


def listed(root, name):
    return root / "CUB_200_2011" / name


def without_tests(root):
    edit(listed(root, "images.txt"), lambda x: b"".join(line for line in x.splitlines(True) if b"Grey" not in line))


REBUILT = {
    "a line too few": (
        lambda root: edit(captions(root), lambda x: x[: x.rindex(b"\n")]),
        ["first.txt has 9 lines; expected 10"],
    ),
    "captions of no image": (
        lambda root: shutil.copy(captions(root), captions(root).with_name("third.txt")),
        [f"{RED}/third.txt holds captions of an image that", "images.txt does not name"],
    ),
    "an image without captions": (
        lambda root: captions(root).unlink(),
        ["images.txt, line 1: there is no file of captions", "first.txt"],
    ),
    "a missing image": (
        lambda root: (root / "CUB_200_2011/images" / RED / "second.jpg").unlink(),
        ["images.txt, line 2: there is no image", "second.jpg"],
    ),
    "a truncated image": (
        lambda root: edit(root / "CUB_200_2011/images" / RED / "second.jpg", lambda x: x[:700]),
        ["second.jpg is no readable image"],
    ),
    "a species in both lists": (
        lambda root: edit(root / "cvpr2016_cub/testclasses.txt", lambda x: x + f"{RED}\n".encode()),
        [f"{RED} is in", "trainvalclasses.txt and in", "testclasses.txt"],
    ),
    "a species in no list": (
        lambda root: edit(root / "cvpr2016_cub/testclasses.txt", lambda _: b"004.Another\n"),
        ["images.txt, line 4: species '003.Grey_Bird' is in neither"],
    ),
    "no image for tests": (
        lambda root: (without_tests(root), shutil.rmtree(root / "cvpr2016_cub/text_c10/003.Grey_Bird")),
        ["images.txt names no image of a species of", "testclasses.txt"],
    ),
    "images that are not named": (without_tests, ["003.Grey_Bird/first.txt holds captions"]),
    "a line without a name": (lambda root: edit(listed(root, "images.txt"), lambda x: x + b"6\n"), ["line 6: is '6'"]),
    "a name outside": (
        lambda root: edit(listed(root, "images.txt"), lambda x: x + b"6 ../passwd.jpg\n"),
        ["images.txt, line 6: is '6 ../passwd.jpg'"],
    ),
    "an image twice": (
        lambda root: edit(listed(root, "images.txt"), lambda x: x + f"01 {RED}/other.jpg\n".encode()),
        ["images.txt, line 6:", "there already"],
    ),
    "no box": (
        lambda root: edit(listed(root, "bounding_boxes.txt"), lambda x: x[: x.rstrip().rindex(b"\n")]),
        ["bounding_boxes.txt has no line for image 5"],
    ),
    "a box of words": (
        lambda root: edit(listed(root, "bounding_boxes.txt"), lambda x: x.replace(b"4 20.0", b"4 left")),
        ["bounding_boxes.txt, line 4: is '4 left 10.0 40.0 30.0'"],
    ),
    "a box without end": (
        lambda root: edit(listed(root, "bounding_boxes.txt"), lambda x: x.replace(b"4 20.0", b"4 inf")),
        ["bounding_boxes.txt, line 4:"],
    ),
    "a box outside": (
        lambda root: edit(listed(root, "bounding_boxes.txt"), lambda x: x.replace(b"2 20.0", b"2 60.0")),
        ["second.jpg is 90×70, and its bird's box (left, top, width, height) is [60.0, 10.0, 40.0, 30.0]"],
    ),
    "not UTF-8": (
        lambda root: edit(captions(root), lambda x: x.replace(b"line 2", b"\xe9")),
        ["first.txt, line 3: is not UTF-8"],
    ),
}


@pytest.mark.parametrize("case", REBUILT)
def test_rebuilt(case, rebuilt, refused):
    damage, named = REBUILT[case]
    damage(rebuilt)
    message = refused("rebuilt", rebuilt)
    assert all(words in message for words in named), message


def test_odd_captions_are_captions(official):
    """Empty lines, a byte order mark, carriage returns, line separators and letters of every script."""
    lines = ["", "ein röter\u2028Vogel", "鸟\x85 red bird", "red bird"] * 5
    (official / "text_testclasses.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    data = CUB.load("official", official.parent)
    text = data.modalities[1]
    assert text.sentences(data.test.items["caption"][:4]) == ["", "<unk> <unk> <unk>", "<unk> red bird", "red bird"]


def test_names_sort_as_the_authors_folders_do(official):
    """By name, whatever the file system says; a file that is no image does not count."""
    folder = official / "train" / RED
    (folder / "Thumbs.db").write_bytes(b"x")
    Image.open(folder / "first.png").save(folder / "10.JPG")
    (folder / "first.png").unlink()
    data = CUB.load("official", official.parent)
    assert len(data.train) == 30
    assert int(data.train.items["image"][0][1, 32, 32]) < 20
    assert int(data.train.items["image"][10][1, 32, 32]) > 70
