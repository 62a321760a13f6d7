"""Pictures of data and of what a model generates, for every kind of modality (`Modality.draw`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from bench.datasets.base import Dataset
from bench.runs.store import write_atomic
from evaluators.chains import snapshots
from methods.base import Latents, Method, Streams
from methods.drawing import draw_sentences
from methods.modality import Modality

CHAINS = 4  # shown in samples_chains.png
COLUMNS = 10  # held-out tuples that are shown, where there are as many
GAP = 4  # white pixels between the blocks of a grid
LAYOUT = "layout"  # key of a sheet's text that says where its blocks are
COLUMN, SHEET = 100, 1700  # pixels: widest column of enlarged joint samples, and widest sheet of them

Row = list[Image.Image]


def grid(rows: Sequence[Row]) -> Image.Image:
    """Rows of equally many pictures -> one. Those of a row are of one size; smaller rows are centred in the columns."""
    width = max(row[0].width for row in rows)
    sheet = Image.new("RGB", (width * len(rows[0]), sum(row[0].height for row in rows)), "white")
    top = 0
    for row in rows:
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * width + (width - picture.width) // 2, top))
        top += row[0].height
    return sheet


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in a row, with a gap between."""
    return _joined(pictures, axis=0)


def below(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in a column, with a gap between."""
    return _joined(pictures, axis=1)


def _joined(pictures: Sequence[Image.Image], axis: int) -> Image.Image:
    size = [max(picture.size[k] for picture in pictures) for k in (0, 1)]
    size[axis] = sum(picture.size[axis] + GAP for picture in pictures) - GAP
    sheet, place = Image.new("RGB", (size[0], size[1]), "white"), [0, 0]
    for picture in pictures:
        sheet.paste(picture, (place[0], place[1]))
        place[axis] += picture.size[axis] + GAP
    return sheet


def arranged(blocks: Sequence[Image.Image], header: Image.Image | None = None) -> Image.Image:
    """Blocks of one width beside each other, or below each other where they are wide; a header above the columns."""
    if stacked(blocks):
        return below([*([header] if header else []), *blocks])
    return beside([grid([[header], [block]]) if header else block for block in blocks])


def stacked(blocks: Sequence[Image.Image]) -> bool:
    """Whether they are too wide to stand beside each other."""
    return blocks[0].width > SHEET // 2


def draw(modalities: Mapping[str, Modality], items: Mapping[str, Tensor], scale: int) -> list[Row]:
    """A row for each of the modalities' items [N, *]; sentences are as wide as what stands above or below them."""
    width = column_width(modalities, items, scale)
    return [modality.draw(items[name], scale, width) for name, modality in modalities.items()]


def column_width(modalities: Mapping[str, Modality], items: Mapping[str, Tensor], scale: int) -> int:
    """Of the widest of the modalities, in pixels."""
    return max(modality.draw(items[name][:1], scale)[0].width for name, modality in modalities.items())


def decode(method: Method, latents: Latents) -> dict[str, Tensor]:
    """The items that N latents stand for."""
    parameters = method.decode(latents, list(method.modalities))
    return {name: m.to_item(parameters[name]) for name, m in method.modalities.items()}


def contact_sheet(data: Dataset, columns: int = COLUMNS) -> Image.Image:
    """A picture of test tuples, one a column and one modality a row: those of `shown_rows`."""
    batch = data.test.batch(shown_rows(data, columns).to(data.test.device))
    return grid(draw({m.name: m for m in data.modalities}, batch, scale=3))


def shown_rows(data: Dataset, columns: int = COLUMNS, rounds: int | None = None) -> Tensor:
    """Up to `columns` rows of the test split: the first tuple of each class, then the second of each, and so on, for
    at most so many `rounds`. The classes are those of the first attribute; where no label is known, the first tuples.
    """
    attribute = next((labels.cpu() for labels in data.test.labels.values() if (labels >= 0).any()), None)
    if attribute is None:
        return torch.arange(min(columns, len(data.test)))
    members = [(attribute == label).nonzero()[:, 0] for label in attribute.unique() if label >= 0]
    rounds = rounds or max(len(rows) for rows in members)
    return torch.stack([rows[k] for k in range(rounds) for rows in members if k < len(rows)][:columns])


@torch.no_grad()
def save_samples(folder: Path, method: Method, data: Dataset, seed: int, columns: int = 20) -> None:
    """samples_joint.png: one prior sample a column, one modality a row; in several such bands where they are wide.

    samples_chains.png, where the prior has Langevin chains: a block per chain, one modality a row, from p0 (left) to
    the prior (right) with the number of steps above, the private latents held fixed (the poster's "Markov transition").

    samples_cross.png: a block per source modality; its top row shows one held-out item of each class (the first ones,
    where there are no labels), and each row below one target modality generated from it. As rows of several kinds of
    modality are of several heights, its text "layout" says where the blocks are, and how high each top row is.
    """
    streams = Streams(2_000_000 + seed, data.test.device)
    save_picture(folder / "samples_joint.png", joint(method, columns, streams))
    if method.prior.chain_steps:
        save_picture(folder / "samples_chains.png", chains(method, streams))
    save_picture(folder / "samples_cross.png", *cross(method, data, streams))


def joint(method: Method, columns: int, streams: Streams) -> Image.Image:
    items = decode(method, method.sample_prior(columns, streams))
    scale = 3 if column_width(method.modalities, items, 3) <= COLUMN else 2
    bands = -(-columns * column_width(method.modalities, items, scale) // SHEET)
    rows, size = draw(method.modalities, items, scale), -(-columns // bands)
    return below([grid([row[start : start + size] for row in rows]) for start in range(0, columns, size)])


def chains(method: Method, streams: Streams) -> Image.Image:
    steps = snapshots(method.prior.chain_steps)
    states = list(method.prior.chains(CHAINS, steps, streams))
    private = method.with_private(states[0], streams).w
    frames = [decode(method, Latents(z, private)) for z in states]
    items = {name: torch.stack([frame[name] for frame in frames], 1).flatten(0, 1) for name in method.modalities}
    rows = draw(method.modalities, items, scale=2)
    starts = range(0, CHAINS * len(steps), len(steps))
    blocks = [grid([row[start : start + len(steps)] for row in rows]) for start in starts]
    return arranged(blocks, grid([_labels(steps, blocks[0].width // len(steps))]))


def _labels(steps: Sequence[int], width: int) -> Row:
    """What stands above the columns of chains."""
    first, *between, last = [f"{n} steps" for n in steps]
    return draw_sentences([f"z ~ p0\n{first}", *between, f"z ~ prior\n{last}"], width)


def cross(method: Method, data: Dataset, streams: Streams) -> tuple[Image.Image, str]:
    """The sheet and its layout."""
    batch = data.test.batch(shown_rows(data, rounds=1).to(data.test.device))
    width = column_width(method.modalities, batch, 2)
    blocks, real = [], []
    for name, source in method.modalities.items():
        generated = draw(method.modalities, decode(method, method.infer(batch, [name], streams)), scale=2)
        items = source.draw(batch[name], 2, width)
        blocks.append(grid([items, *generated]))
        real.append(items[0].height)
    return arranged(blocks), layout(blocks, real)


def layout(blocks: Sequence[Image.Image], real: Sequence[int]) -> str:
    """Where `arranged` puts blocks without a header, and the height of each one's row of real items, as JSON."""
    axis, places = int(stacked(blocks)), [[0, 0]]
    for block in blocks:
        left, top = places[-1]
        step = block.size[axis] + GAP
        places.append([left, top + step] if axis else [left + step, top])
    boxes = [[*place, *block.size] for place, block in zip(places, blocks)]
    return json.dumps({"blocks": boxes, "real": list(real)})


def save_picture(path: Path, picture: Image.Image, layout: str = "") -> None:
    text = PngInfo()
    if layout:
        text.add_text(LAYOUT, layout)
    write_atomic(path, lambda file: picture.save(file, format="PNG", pnginfo=text))
