"""README's picture and numbers are those of the committed runs."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.docs.blocks import PAGES, ROOT, load_script

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def script():
    return load_script("readme")


def cells(lines):
    """{row and heading: what stands there}."""
    headings, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {f"{row[0]} under {row[1]}, {name}": cell for row in rows for name, cell in zip(headings, row, strict=True)}


def test_the_tables_numbers_are_those_of_the_committed_leaderboard(script):
    written, measured = cells(script.table_in(README.read_text())), cells(script.table())
    different = [
        f"{where}: README has {written.get(where, 'no such row')}, leaderboard.csv {measured.get(where, 'no such row')}"
        for where in written | measured
        if written.get(where) != measured.get(where)
    ]
    assert not different, "\n".join(["python scripts/readme.py writes them:", *different])
    assert script.table_in(README.read_text()) == script.table()  # also in this order


def test_the_project_is_installed_with_its_constraints_wherever_a_page_says_how():
    lines = [line for page in [*PAGES, README] for line in page.read_text().splitlines()]
    said = [line for line in lines if re.search(r'pip install .*-e "?\.', line)]
    assert len(said) >= 4
    assert not [line for line in said if "-c constraints.txt" not in line]


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= 120


def test_its_samples_and_numbers_are_those_of_the_committed_runs(script):
    with Image.open(script.PICTURE) as file:
        picture = file.convert("RGB")
    made, rows = script.draw(), {row["method"]: row for row in script.of_preset()}
    assert picture.size == made.size
    for row, methods in enumerate(script.ROWS):
        for column, method in enumerate(methods):
            left, top = script.place(row, column)
            box = (left, top, left + script.SHOWN * script.SIDE, top + script.MODALITIES * script.SIDE)
            ours, theirs = (np.asarray(image, float) for image in (picture.crop(box), script.samples(rows[method])))
            assert np.abs(ours - theirs).mean() < 4  # of 255: it has fewer colours
    expected = "MMVAE, energy prior: joint coherence 0.89 [0.87, 0.91], 5 seeds"
    assert expected in script.caption(rows["ebm-base"])
