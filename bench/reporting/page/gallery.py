"""What it looks like: the runs' pictures, every base method before its versions with another prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.reporting.models import base_method
from bench.reporting.page.pictures import Picture, embedded, first_samples, read_picture
from bench.reporting.page.sections import Row, Section
from bench.reporting.page.sheets import Block, blocks_of, real_items
from bench.reporting.statistics import interval
from bench.runs.reading import Unreadable
from bench.runs.records import shown

LETTERS = 6_000_000  # of all pictures together, as they are embedded
KINDS = {"joint": "samples_joint.png", "cross": "samples_cross.png", "chains": "samples_chains.png"}
ALT = {
    "joint": "Joint samples of {}: a sample a column, a modality a row",
    "cross": "Cross generation by {}: a block for each given modality, real items in its top row",
    "chains": "Langevin chains of {} from p0 on the left to the prior on the right, a block for each chain",
}


@dataclass(frozen=True)
class View:
    """A picture and, for those who do not see it, what it shows; `given` is the modality that it is generated from."""

    alt: str
    picture: Picture
    given: str = ""


@dataclass(frozen=True)
class Shot:
    """A sheet with what stands above it; of cross generation a view for each block."""

    caption: str
    note: str
    views: Sequence[View]

    @property
    def written(self) -> bool:
        """Whether it has words, and so keeps its size."""
        return any(view.picture.written for view in self.views)


@dataclass(frozen=True)
class Gallery:
    """A section's pictures; a family is a base method with its versions.

    Args:
        unknown: whether there are sheets that do not say where in them the real items are.
    """

    real: Shot | None
    unknown: bool
    families: list[list[Shot]]
    cross: list[Shot]
    chains: list[Shot]


class Album:
    """Reads pictures until the page has enough of them; `report` hears of each that is left out."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report
        self.left = LETTERS

    def read(self, path: Path) -> Image.Image | None:
        """None where there is no such picture, or it cannot be read."""
        if not path.is_file() or self.left <= 0:
            return None
        try:
            return read_picture(path)
        except Unreadable as error:
            self.report(f"{shown(path)} {error}: the picture is left out")
            return None

    def embed(self, picture: Image.Image, name: str) -> Picture | None:
        """None, from then on, where the page would grow too large."""
        found = embedded(picture)
        if len(found.src) > self.left:
            if self.left > 0:
                self.report(f"the pictures from {name} on are left out: the page has as many as it can carry")
            self.left = 0
            return None
        self.left -= len(found.src)
        return found


def gallery_of(section: Section, album: Album) -> Gallery:
    """The pictures of the first run of each configuration that has some."""
    found: dict[str, dict[str, Shot]] = {kind: {} for kind in KINDS}
    real, unknown = None, False
    families: dict[str, list[Row]] = {}
    for row in section.shown:
        families.setdefault(base_method(row["method"]), []).append(row)
    ordered = {base: sorted(rows, key=lambda row: row["method"] != base) for base, rows in families.items()}
    for row in (row for rows in ordered.values() for row in rows):
        label = section.label(row)
        for run in section.runs_of(row):
            sheets = {kind: sheet for kind, name in KINDS.items() if (sheet := album.read(run["path"] / name))}
            if not sheets:
                continue
            blocks = _blocks(sheets.get("cross"), run)
            unknown = unknown or ("cross" in sheets and blocks is None)
            real = real or (_real(sheets["cross"], blocks, run, album) if blocks else None)
            for kind, sheet in sheets.items():
                if views := _views(kind, sheet, blocks, label, run, album):
                    found[kind][label] = Shot(label, _note(kind, row, run), views)
            break
    labelled = [[section.label(row) for row in rows] for rows in ordered.values()]
    joint = [[found["joint"][label] for label in labels if label in found["joint"]] for labels in labelled]
    # Families of several side by side first: they are what a prior changes.
    joint.sort(key=lambda family: -len(family))
    cross, chains = (list(found[kind].values()) for kind in ("cross", "chains"))
    return Gallery(real, unknown, [family for family in joint if family], cross, chains)


def _blocks(sheet: Image.Image | None, run: Row) -> list[Block] | None:
    parts = run["config"]["modalities"].values()
    kinds = [str(part.get("kind")) if isinstance(part, dict) else "" for part in parts]
    return blocks_of(sheet, kinds) if sheet and kinds else None


def _real(sheet: Image.Image, blocks: Sequence[Block], run: Row, album: Album) -> Shot | None:
    picture = album.embed(real_items(sheet, blocks), "real data")
    if picture is None:
        return None
    names = ", ".join(map(str, run["config"]["modalities"]))
    note = f"held-out items, one of each class a column; rows: {names}"
    return Shot("Real data", note, [View("Real held-out data", picture)])


def _views(
    kind: str, sheet: Image.Image, blocks: Sequence[Block] | None, label: str, run: Row, album: Album
) -> list[View]:
    """Of cross generation a view for each block, so that they find room beside or below each other."""
    if kind == "cross" and blocks:
        parts = {str(m): block.cut(sheet, block.height) for m, block in zip(run["config"]["modalities"], blocks)}
        alt = "Cross generation by {} from {}: real items in the top row"
        shown = {m: (alt.format(label, m), part) for m, part in parts.items()}
    else:
        shown = {"": (ALT[kind].format(label), first_samples(sheet) if kind == "joint" else sheet)}
    views = [(m, alt, album.embed(part, label)) for m, (alt, part) in shown.items()]
    return [View(alt, picture, m) for m, alt, picture in views if picture]


def _note(kind: str, row: Row, run: Row) -> str:
    metric = "cross_coherence" if kind == "cross" else "joint_coherence"
    name = metric.replace("_", " ")
    return f"{row['trained_prior']} prior; {name} {interval(row, metric)}; seed {run['seed']}"
