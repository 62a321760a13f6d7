"""What it looks like: the runs' pictures, every base method before its versions with another prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.reporting.models import base_method
from bench.reporting.page.pictures import Picture, embedded, first_samples, read_picture, real_items
from bench.reporting.page.sections import Row, Section
from bench.reporting.statistics import interval
from bench.runs.reading import Unreadable
from bench.runs.records import shown

LETTERS = 6_000_000  # of all pictures together, as they are embedded
KINDS = {"joint": "samples_joint.png", "cross": "samples_cross.png", "chains": "samples_chains.png"}


@dataclass(frozen=True)
class Shot:
    """A picture with what is under it and, for those who do not see it, what it shows."""

    caption: str
    note: str
    alt: str
    picture: Picture


@dataclass(frozen=True)
class Gallery:
    """A section's pictures; a family is a base method with its versions."""

    real: Shot | None
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
    real: Shot | None = None
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
            real = real or _real(sheets.get("cross"), run, album)
            for kind, sheet in sheets.items():
                if picture := album.embed(first_samples(sheet) if kind == "joint" else sheet, label):
                    found[kind][label] = Shot(label, _note(kind, row, run), _alt(kind, label), picture)
            break
    labelled = [[section.label(row) for row in rows] for rows in ordered.values()]
    joint = [[found["joint"][label] for label in labels if label in found["joint"]] for labels in labelled]
    # Families of several side by side first: they are what a prior changes.
    joint.sort(key=lambda family: -len(family))
    return Gallery(
        real, [family for family in joint if family], *(list(found[k].values()) for k in ("cross", "chains"))
    )


def _real(sheet: Image.Image | None, run: Row, album: Album) -> Shot | None:
    kinds = {str(part.get("kind")) for part in run["config"]["modalities"].values() if isinstance(part, dict)}
    # Rows of several kinds are of several heights, which the sheet does not say.
    items = real_items(sheet, len(run["config"]["modalities"])) if sheet and len(kinds) == 1 else None
    picture = album.embed(items, "real data") if items else None
    if picture is None:
        return None
    names = ", ".join(map(str, run["config"]["modalities"]))
    return Shot(
        "Real data", f"held-out items, one of each class a column; rows: {names}", "Real held-out data", picture
    )


def _note(kind: str, row: Row, run: Row) -> str:
    metric = "cross_coherence" if kind == "cross" else "joint_coherence"
    name = metric.replace("_", " ")
    return f"{row['trained_prior']} prior; {name} {interval(row, metric)}; seed {run['seed']}"


def _alt(kind: str, label: str) -> str:
    what = {
        "joint": "Joint samples of {}: a sample a column, a modality a row",
        "cross": "Cross generation by {}: a block for each given modality, real items in its top row",
        "chains": "Langevin chains of {} from p0 on the left to the prior on the right, a block for each chain",
    }
    return what[kind].format(label)


def pictures_in(galleries: Sequence[Gallery]) -> int:
    """How many there are."""
    return sum(bool(g.real) + sum(map(len, g.families)) + len(g.cross) + len(g.chains) for g in galleries)
