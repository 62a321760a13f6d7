"""The tables and pictures of the pages are made of the committed runs."""

import numpy as np
import pytest
from PIL import Image

import pages
import pictures


@pytest.fixture(params=pages.TABLES)
def table(request):
    return pages.TABLES[request.param]


@pytest.fixture(params=pictures.PICTURES)
def picture(request):
    return pictures.PICTURES[request.param]


def cells(lines):
    """{row and heading: what stands there}."""
    headings, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {f"{row[0]} under {row[1]}, {name}": cell for row in rows for name, cell in zip(headings, row, strict=True)}


def test_a_tables_numbers_are_those_of_the_committed_runs(table):
    written, measured = cells(table.written()), cells(table.made())
    different = [
        f"{where}: the page has {written.get(where, 'no such row')}, the runs {measured.get(where, 'no such row')}"
        for where in written | measured
        if written.get(where) != measured.get(where)
    ]
    assert not different, "\n".join(["python scripts/pages.py writes them:", *different])
    assert table.written() == table.made()  # also in this order


def test_a_pictures_samples_are_those_of_the_committed_runs(picture):
    with Image.open(picture.file) as file:
        saved = file.convert("RGB")
    rows = {row["method"]: row for row in pictures.of_preset(picture.results)}
    assert saved.size == picture.draw().size
    for row, methods in enumerate(picture.methods):
        for column, method in enumerate(methods):
            left, top = pictures.place(row, column)
            box = (left, top, left + pictures.SHOWN * pictures.SIDE, top + pictures.MODALITIES * pictures.SIDE)
            theirs = pictures.samples(picture.results, rows[method])
            ours, theirs = (np.asarray(image, float) for image in (saved.crop(box), theirs))
            assert np.abs(ours - theirs).mean() < 8  # of 255: it has fewer colours; of other samples it is 15 and more


def test_a_cell_is_of_its_own_prior_and_method():
    rows = {row[0]: dict(zip(pages.SHOWN_FITS, row[1:])) for row in pages.fitted_rows()}
    assert rows["energy"]["mmvae"] == "0.508"
    assert rows["(seeds)"]["ebm-base"] == "0, 1"


def test_epochs_are_compared_with_all_else_as_the_preset_has_it():
    rows = {(row[0], row[1]): row[2:] for row in pages.time_rows()}
    assert (rows["mmvae", "15"][2], rows["mmvae", "38"][2]) == ("0.530", "0.565")


def test_a_caption_says_method_prior_and_interval():
    rows = {row["method"]: row for row in pictures.of_preset(pictures.QUICK)}
    assert pictures.caption(rows["ebm-base"]) == "MMVAE, energy prior: joint coherence 0.89 [0.87, 0.91], 5 seeds"


def test_each_row_has_the_published_value_of_its_own_method():
    rows = pages.with_published()
    published = {row["method"]: row.get("joint_coherence_poster") for row in rows}
    assert (published["ebm-base"], published["mvae"]) == (0.746, None)
    assert len(published) == len(rows) == 8


def test_an_interval_takes_several_seeds():
    row = {"seeds": 1, "joint_coherence": "0.5", "joint_coherence_low": "0.4", "joint_coherence_high": "0.6"}
    assert pages.interval(row, "joint_coherence") == "0.500"
    assert pages.interval({**row, "seeds": 3}, "joint_coherence") == "0.500 [0.400, 0.600]"
