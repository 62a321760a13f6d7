"""The tables of README.md and of the pages in results/reference, from the committed runs.

    python scripts/pages.py

writes them anew where their headings stand, and the pictures too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from committed import ABLATION, BIRDS, OVERNIGHT, PHOTOGRAPHS, QUICK, REBUILT, REFERENCE, ROOT, SHORT
from page_tables import birds, digits, overnight
from pictures import PICTURES


class Table(NamedTuple):
    """Lines of a page, found by their headings; by those after the line `below`, where several have the same."""

    page: Path
    headings: str
    rows: Callable[[], list[list[str]]]
    below: str = ""

    def made(self) -> list[str]:
        """The table as the committed runs have it."""
        rule = "|---" * (self.headings.count(" | ") + 1) + "|"
        return [self.headings, rule, *("| " + " | ".join(cells) + " |" for cells in self.rows())]

    def written(self) -> list[str]:
        """The table as the page has it."""
        lines, start = self._found()
        return list(takewhile(bool, lines[start:]))

    def write(self) -> None:
        """The page with the table as the committed runs have it."""
        lines, start = self._found()
        lines[start : start + len(self.written())] = self.made()
        self.page.write_text("\n".join(lines) + "\n")

    def _found(self) -> tuple[list[str], int]:
        """The page's lines, and which of them are the headings."""
        lines = self.page.read_text().splitlines()
        return lines, lines.index(self.headings, lines.index(self.below) if self.below else 0)


OF_PRIORS = (
    "| prior of z | seeds | joint coherence | gap closed | coverage | precision "
    "| within-class variance, coherent samples | log p(z), nats per dimension | fit, s | ms per 1,000 samples |"
)
OF_BIRDS = "| method | seeds | joint coherence | from p0 | aggregate posterior | image → caption | caption → image |"
TABLES = {
    "quick": Table(
        ROOT / "README.md",
        "| method | prior | seeds | joint coherence | from p0 | held-out aggregate | cross coherence |",
        digits.quick_rows,
    ),
    "real digits": Table(
        ROOT / "README.md",
        "| method | its own prior | an energy that is fitted to it | held-out aggregate |",
        overnight.summary_rows,
    ),
    "poster": Table(
        REFERENCE / "README.md",
        "| method | seeds | joint: poster | joint: ours | cross: poster | cross: ours "
        "| joint, robust | held-out aggregate, robust | cross, robust |",
        overnight.poster_rows,
    ),
    "fitted": Table(
        OVERNIGHT / "README.md",
        "| prior of z | " + " | ".join(overnight.SHOWN_FITS) + " |",
        overnight.fitted_rows,
    ),
    "energies": Table(
        REFERENCE / "README.md",
        "| method | seeds | its own prior | energy, fitted | difference | bootstrap | held-out aggregate "
        "| energy, published classifiers |",
        overnight.energy_rows,
    ),
    "further measures": Table(
        OVERNIGHT / "README.md",
        "| method | log p(X), nats | probe of z | probe of w | all targets at once | Fréchet distance | precision "
        "| recall | coverage | within-class variance, coherent samples | distance to training latents |",
        overnight.further_rows,
    ),
    "time": Table(
        OVERNIGHT / "README.md",
        "| method | epochs | joint coherence | from p0 | aggregate posterior | cross coherence "
        "| cross, published classifiers |",
        overnight.time_rows,
    ),
    "short": Table(
        SHORT / "README.md",
        "| method | changed | joint coherence | from p0 | aggregate posterior | cross coherence "
        "| Fréchet distance | coverage of real items |",
        overnight.short_rows,
    ),
    "methods": Table(
        QUICK / "README.md",
        "| method | prior | seeds | joint coherence | from p0 | aggregate posterior | gap closed | cross coherence "
        "| all targets at once | joint, published classifiers | cross, published classifiers |",
        digits.method_rows,
    ),
    **{
        f"priors of {method}": Table(QUICK / "README.md", OF_PRIORS, rows, f"**{method}**")
        for method, rows in digits.PRIORS_OF.items()
    },
    "priors trained with a model": Table(
        QUICK / "README.md",
        "| method | prior, trained with the model | configuration | seeds | joint coherence | from p0 "
        "| aggregate posterior | cross coherence | coverage |",
        digits.together_rows,
    ),
    "energy ablation": Table(
        ABLATION / "README.md",
        "| changed | joint coherence | cross coherence | energy gap | coverage |",
        digits.ablation_rows,
    ),
    "priors of all of MNIST": Table(
        REBUILT / "README.md",
        "| prior of z | joint coherence | gap closed | coverage | within-class variance, coherent samples "
        "| log p(z), nats per dimension | joint, published classifiers | fit, s |",
        digits.rebuilt_rows,
    ),
    "drawn birds": Table(BIRDS / "README.md", OF_BIRDS, birds.drawn_rows),
    "photographs": Table(PHOTOGRAPHS / "README.md", OF_BIRDS, birds.photograph_rows),
}


def main() -> None:
    for table in TABLES.values():
        table.write()
    for picture in PICTURES.values():
        picture.write()
    print(*dict.fromkeys(table.page for table in TABLES.values()), *(p.file for p in PICTURES.values()), sep="\n")


if __name__ == "__main__":
    main()
