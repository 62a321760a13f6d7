"""What the dataset is from each source, and what is held out."""

import numpy as np
import pytest
import torch

from bench.datasets import DATASETS, dataset_source
from bench.datasets.cub import CUB, drawn
from bench.datasets.cub.drawn import birds
from bench.datasets.held_out import hold_out
from bench.errors import DataMissing, UsageError
from bench.evaluation.pictures import contact_sheet
from methods.modality import SPECIAL, UNKNOWN
from tests.bench.datasets.cub.conftest import TEST, TRAIN, caption, pixels


def test_drawn_birds_are_there_without_a_file(data_root):
    assert "cub" in DATASETS
    data = dataset_source("cub").load("auto", data_root / "absent")
    assert (data.name, data.source) == ("cub", "bundled")
    assert data.attributes == {"colour": 9, "crown": 9, "wing": 9, "breast": 9}
    assert (len(data.train), len(data.test)) == (60, 20)
    assert data.train.groups is None
    image, text = data.modalities
    assert (image.name, image.kind, image.shape, text.name, text.kind, text.shape) == (
        *("image", "image", (3, 64, 64), "caption", "text", (32,)),
    )
    assert text.vocabulary[:3] == SPECIAL
    assert data.modalities == CUB.modalities("bundled", data_root)
    assert text.sentences(data.train.items["caption"])[0].startswith(birds.drawn_birds("train").captions[0][:9])
    sheet = contact_sheet(data)
    assert sheet.width == 10 * 64 * 3
    assert sheet.height > 64 * 3 + 40


def test_they_are_drawn_once(data_root, monkeypatch):
    first = CUB.load("bundled", data_root)
    monkeypatch.setattr(drawn, "drawn_birds", lambda split: pytest.fail("drawn twice"))
    second = CUB.load("bundled", data_root)
    assert first.fingerprint == second.fingerprint == CUB.fingerprint("auto", data_root)
    assert torch.equal(first.test.items["image"], second.test.items["image"])


def test_auto_takes_the_best_that_is_there(rebuilt, request):
    assert CUB.sources == ("official", "rebuilt", "bundled")
    assert CUB.choose_source("auto", rebuilt) == "rebuilt"
    request.getfixturevalue("official")
    assert CUB.choose_source("auto", rebuilt) == "official"
    with pytest.raises(UsageError, match="unknown source 'drawn'"):
        CUB.choose_source("drawn", rebuilt)


@pytest.mark.parametrize("source", ["official", "rebuilt"])
def test_each_caption_goes_with_its_image(source, request):
    root = request.getfixturevalue(source)
    data = CUB.load(source, root.parent if source == "official" else root)
    text = data.modalities[1]
    for split, species in ((data.train, TRAIN), (data.test, TEST)):
        expected = [(name, image, line) for name, n in species.items() for image in range(n) for line in range(10)]
        assert len(split) == len(expected)
        colours = {"001.Red_Bird": 0, "002.Blue_Bird": 4, "003.Grey_Bird": 8}
        assert split.labels["colour"].tolist() == [colours[name] for name, _, _ in expected]
        assert (split.labels["wing"] == -1).all()
        sentences = text.sentences(split.items["caption"])
        for row, (name, image, line) in enumerate(expected):
            words = caption(name, image, line).replace(".", " .").replace(",", " ,").split()
            assert sentences[row].split() == [word if word in text.vocabulary else "<unk>" for word in words]
            shown = split.items["image"][row].numpy()[:, 32, 32].astype(int)
            assert np.abs(shown - pixels(name, image)[25, 40].astype(int)).max() < 12
    assert (data.test.items["caption"] == UNKNOWN).any()  # grey is no word of the training captions


def test_whole_species_are_held_out(official):
    train = CUB.load("official", official.parent).train
    assert train.groups.tolist() == [0] * 20 + [1] * 10
    for share in (0.01, 0.5, 0.99):
        kept, out = hold_out(train, share)
        assert sorted(kept.rows.tolist() + out.rows.tolist()) == list(range(30))
        assert len(train.groups[out.rows].unique()) == 1
        assert not set(train.groups[kept.rows].tolist()) & set(train.groups[out.rows].tolist())
    one = CUB.load("official", official.parent).test
    assert len(hold_out(one, 0.25)[1]) == 5  # of one species: tuples


def test_what_is_missing_is_named_with_its_owner(data_root):
    with pytest.raises(
        DataMissing, match=r"no official CUB under .*MMVAE.*text_trainvalclasses\.txt.*--source bundled"
    ):
        CUB.load("official", data_root)
    with pytest.raises(DataMissing, match=r"CUB_200_2011/images is missing.*CUB_200_2011\.tgz.*cvpr2016_cub"):
        CUB.load("rebuilt", data_root)
    with pytest.raises(DataMissing, match=r"its owners hand it out.*Source official.*Source rebuilt.*drawn birds"):
        CUB.fetch(data_root)


def test_a_box_is_cut_out_of_its_photograph(rebuilt):
    image = CUB.load("rebuilt", rebuilt).train.items["image"][0].numpy().astype(int)
    inside, outside = image[:, 12:52, 4:60], image[:, :6, 4:60]  # a square about a box that is wider than high
    assert np.abs(inside - np.array([40, 0, 200])[:, None, None]).mean() < 6
    assert np.abs(outside - 128).mean() < 16
