"""Pictures of samples, of images and of any other kinds of modalities."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from bench.evaluation.pictures import CHAINS, COLUMNS, GAP, draw, grid, save_samples, shown_rows
from evaluators.chains import snapshots
from methods import method_class
from methods.base import Latents, Streams
from methods.drawing import draw_sentences
from methods.modality import ImageModality
from methods.networks import NetworkChoice
from methods.priors.energy import EnergyPriorConfig
from tests.bench.conftest import read_picture
from tests.toy import HETERO_MODALITIES, hetero_data, image_data

LABELS = 31  # pixels of two lines above the columns of chains
FILES = ("samples_joint.png", "samples_cross.png", "samples_chains.png")


def make_method(name, modalities):
    cls = method_class(name)
    settings = {"network": NetworkChoice(), "latent_dim": 4}
    if name.startswith("ebm"):
        settings["prior"] = EnergyPriorConfig("energy", width=16, steps=3, chains=8)
    torch.manual_seed(0)
    return cls(cls.Config(**settings), modalities).eval()


@pytest.fixture(params=["mmvae", "ebm-generalized"])
def name(request):
    return request.param


@pytest.fixture
def method(name):
    return make_method(name, image_data().modalities)


# Pictures of images alone, as they were drawn when there was no other kind


def image_grid(images, scale):
    """[rows, columns, 3, H, W] in [0, 1] (clamped) -> one picture."""
    rows, columns, channels, height, width = images.shape
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    sheet = pixels.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    picture = Image.fromarray(sheet.numpy())
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def above(labels, block):
    sheet = Image.new("RGB", (block.width, labels.height + block.height))
    sheet.paste(labels, (0, 0))
    sheet.paste(block, (0, labels.height))
    return sheet


def image_blocks(pictures):
    width = sum(picture.width + GAP for picture in pictures) - GAP
    sheet, left = Image.new("RGB", (width, pictures[0].height), "white"), 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    return sheet


@torch.no_grad()
def image_samples(method, data, seed):
    """{file: picture}, with the draws in their published order."""
    streams, names = Streams(2_000_000 + seed), list(method.modalities)
    joint = method.decode(method.sample_prior(20, streams), names)
    pictures = {"samples_joint.png": image_grid(torch.stack([joint[name] for name in names]), 3)}
    if method.prior.chain_steps:
        steps = snapshots(method.prior.chain_steps)
        chains = torch.stack(list(method.prior.chains(CHAINS, steps, streams)))
        private = method.with_private(chains[0], streams).w
        frames = [method.decode(Latents(z, private), names) for z in chains]
        images = torch.stack([torch.stack([frame[name] for frame in frames], 1) for name in names], 1)
        width = 28 * 2 * len(steps)
        labels = Image.new("RGB", (width, LABELS), "white")
        for k, text in enumerate(["z ~ p0\n0 steps", "1 steps", "2 steps", "z ~ prior\n3 steps"]):
            labels.paste(draw_sentences([text, "z ~ p0\n0 steps"], 28 * 2)[0], (28 * 2 * k, 0))
        blocks = [image_grid(block, 2) for block in images]
        pictures["samples_chains.png"] = image_blocks([above(labels, block) for block in blocks])
    labels = data.test.labels["digit"]
    batch = data.test.batch(torch.stack([(labels == label).nonzero()[0, 0] for label in labels.unique()]))
    blocks = []
    for source in names:
        generated = method.decode(method.infer(batch, [source], streams), names)
        blocks.append(image_grid(torch.stack([batch[source], *(generated[name] for name in names)]), 2))
    return pictures | {"samples_cross.png": image_blocks(blocks)}


def test_pictures_of_images_are_those_of_all_earlier_runs(method, tmp_path):
    data = image_data()
    save_samples(tmp_path, method, data, seed=3)
    expected = image_samples(method, data, seed=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(expected)
    for file, picture in expected.items():
        assert (read_picture(tmp_path / file) == np.asarray(picture)).all(), file


def test_each_block_starts_with_the_held_out_images_of_its_source(method, tmp_path):
    data = image_data()
    save_samples(tmp_path, method, data, seed=0)
    pixels = read_picture(tmp_path / "samples_cross.png")
    for block, name in enumerate(data.test.items):
        for label in range(4):  # row `label` of the toy test split is the first of its class
            left = block * (4 * 28 * 2 + GAP) + label * 28 * 2
            tile = pixels[: 28 * 2 : 2, left : left + 28 * 2 : 2].transpose(2, 0, 1)
            assert (tile == data.test.items[name][label].numpy()).all()


# Any kinds


@pytest.mark.parametrize("labels", [True, False])
def test_modalities_of_several_kinds_stand_in_one_picture(name, labels, tmp_path):
    method = make_method(name, HETERO_MODALITIES)
    save_samples(tmp_path, method, hetero_data(labels), seed=0, columns=5)
    joint = read_picture(tmp_path / "samples_joint.png")
    assert joint.shape[1] == 5 * 32 * 3
    assert joint.shape[0] > 3 * (28 + 32) + 24, "a row of sentences"
    assert (joint[: 28 * 3, :6] == 255).all(), "the smaller image is centred on white"
    columns = 4 if labels else COLUMNS
    cross = read_picture(tmp_path / "samples_cross.png")
    assert cross.shape[1] == 3 * columns * 32 * 2 + 2 * GAP
    assert cross.shape[0] > 2 * (32 + 28 + 32) + 24
    chains = tmp_path / "samples_chains.png"
    assert chains.exists() == bool(method.prior.chain_steps)
    if chains.exists():
        frames = len(snapshots(method.prior.chain_steps))
        picture = read_picture(chains)
        assert picture.shape[1] == CHAINS * frames * 32 * 2 + (CHAINS - 1) * GAP
        assert picture.shape[0] > LABELS + 2 * (28 + 32) + 24


def test_wide_pictures_have_a_chain_a_row_and_several_bands(tmp_path):
    """As birds of 64×64 pixels and their captions: nothing is wider than a page."""
    modalities = (ImageModality("image", (3, 64, 64)), HETERO_MODALITIES[2])
    data = hetero_data()
    splits = {}
    for which, split in (("train", data.train), ("test", data.test)):
        images = split.items["sketch"].repeat(1, 3, 2, 2)
        splits[which] = dataclasses.replace(
            split, items={"image": images, "caption": split.items["caption"]}, modalities=modalities
        )
    data = dataclasses.replace(data, modalities=modalities, **splits)
    cls = method_class("ebm-base")
    config = cls.Config(network=NetworkChoice(), latent_dim=4, prior=EnergyPriorConfig("energy", width=8, steps=60))
    method = cls(config, modalities).eval()
    save_samples(tmp_path, method, data, seed=0)
    joint, chains, cross = (read_picture(tmp_path / file) for file in (FILES[0], FILES[2], FILES[1]))
    assert joint.shape[1] == 10 * 128
    assert joint.shape[0] > 2 * (128 + 28)
    assert chains.shape[1] == 7 * 128
    assert chains.shape[0] > LABELS + CHAINS * (128 + 28)
    assert (chains[:LABELS, :128] < 128).any(), "labels"
    assert cross.shape[1] == 4 * 128 * 2 + GAP


def test_a_sheet_of_cross_generation_says_where_its_real_items_are(tmp_path):
    data = hetero_data()
    save_samples(tmp_path, make_method("mmvae", data.modalities), data, seed=0)
    with Image.open(tmp_path / "samples_cross.png") as sheet:
        found = json.loads(sheet.text["layout"])
        rows = [sheet.crop((x, y, x + w, y + h)) for (x, y, w, _), h in zip(found["blocks"], found["real"])]
    batch = data.test.batch(shown_rows(data, rounds=1))
    for row, expected in zip(rows, draw({m.name: m for m in data.modalities}, batch, scale=2), strict=True):
        assert row.height == expected[0].height
        wide = [Image.new("RGB", (row.width // len(expected), 1))] * len(expected)  # smaller pictures are centred
        assert row.tobytes() == grid([wide, expected]).crop((0, 1, row.width, 1 + row.height)).tobytes()


def test_logits_are_drawn_as_the_items_that_they_stand_for(tmp_path):
    data = image_data(m=2)
    bernoulli = tuple(dataclasses.replace(m, likelihood="bernoulli") for m in data.modalities)
    method = make_method("mmvae", bernoulli)
    save_samples(tmp_path, method, data.with_modalities(bernoulli), seed=0, columns=2)
    with torch.no_grad():
        decoded = method.decode(method.sample_prior(2, Streams(2_000_000)), ["m0", "m1"])
    tile = read_picture(tmp_path / "samples_joint.png")[: 28 * 3 : 3, : 28 * 3 : 3].transpose(2, 0, 1)
    assert (tile == (decoded["m0"][0].sigmoid() * 255).round().numpy()).all()


def test_samples_are_a_function_of_the_seed(method, tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        save_samples(tmp_path / folder, method, image_data(), seed=seed, columns=3)
    for file in FILES if method.prior.chain_steps else FILES[:2]:
        one, same, other = (read_picture(tmp_path / folder / file) for folder in "abc")
        assert (one == same).all()
        assert (one != other).any()
