"""Pictures of one run: what its model generates."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from bench.datasets.base import Dataset
from bench.runs.store import write_atomic
from evaluators.chains import snapshots
from methods.base import Latents, Method, Streams
from methods.priors import EnergyPrior

CHAINS = 4  # shown in samples_chains.png
GAP = 4  # white pixels between the blocks of a grid


def grid(images: Tensor, scale: int = 3) -> Image.Image:
    """[rows, columns, 3, H, W] in [0, 1] (clamped) -> one picture."""
    rows, columns, channels, height, width = images.shape
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    sheet = pixels.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    picture = Image.fromarray(sheet.numpy())
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures of one height in a row, with a gap between."""
    width = sum(picture.width + GAP for picture in pictures) - GAP
    sheet, left = Image.new("RGB", (width, pictures[0].height), "white"), 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    return sheet


@torch.no_grad()
def save_samples(folder: Path, method: Method, data: Dataset, seed: int, columns: int = 20) -> None:
    """samples_joint.png: one prior sample a column, one modality a row.

    samples_chains.png, where the prior has Langevin chains: a block per chain, one modality a row, from p0 (left) to
    the prior (right), the private latents held fixed (the poster's "Markov transition").

    samples_cross.png: a block per source modality; its top row shows one held-out image of each class, and each row
    below one target modality generated from it.
    """
    streams = Streams(2_000_000 + seed, data.test.labels.device)
    names = list(method.modalities)
    joint = method.decode(method.sample_prior(columns, streams), names)
    save_picture(folder / "samples_joint.png", grid(torch.stack([joint[name] for name in names])))

    if isinstance(method.prior, EnergyPrior):
        steps = snapshots(method.prior.config.steps)
        chains = torch.stack(list(method.prior.chains(CHAINS, steps, streams)))  # [T, N, D]
        private = method.with_private(chains[0], streams).w
        frames = [method.decode(Latents(z, private), names) for z in chains]
        images = torch.stack([torch.stack([frame[name] for frame in frames], 1) for name in names], 1)
        save_picture(folder / "samples_chains.png", beside([grid(block, scale=2) for block in images]))

    first = torch.stack([(data.test.labels == label).nonzero()[0, 0] for label in data.test.labels.unique()])
    batch = data.test.batch(first)
    blocks = []
    for source in names:
        generated = method.decode(method.infer(batch, [source], streams), names)
        blocks.append(grid(torch.stack([batch[source], *(generated[name] for name in names)]), scale=2))
    save_picture(folder / "samples_cross.png", beside(blocks))


def save_picture(path: Path, picture: Image.Image) -> None:
    write_atomic(path, lambda file: picture.save(file, format="PNG"))
