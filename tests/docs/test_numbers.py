"""The tables and pictures of the pages are made of the committed runs."""

import numpy as np
import pytest
from PIL import Image

import committed
import pages
import pictures
from page_tables import birds, digits, overnight


@pytest.fixture(params=pages.TABLES)
def table(request):
    return pages.TABLES[request.param]


@pytest.fixture(params=pictures.PICTURES)
def picture(request):
    return pictures.PICTURES[request.param]


def cells(lines):
    """{row and heading: what stands there}; rows are told apart by their first three cells."""
    headings, _, *rows = ([cell.strip() for cell in line[2:-2].split(" | ")] for line in lines)
    return {f"{' '.join(row[:3])}, {name}": cell for row in rows for name, cell in zip(headings, row, strict=True)}


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
    rows = {row["method"]: row for row in committed.of_preset(picture.results)}
    assert saved.size == picture.draw().size
    for row, methods in enumerate(picture.methods):
        for column, method in enumerate(methods):
            left, top = pictures.place(row, column)
            box = (left, top, left + pictures.SHOWN * pictures.SIDE, top + pictures.MODALITIES * pictures.SIDE)
            theirs = pictures.samples(picture.results, rows[method])
            ours, theirs = (np.asarray(image, float) for image in (saved.crop(box), theirs))
            assert np.abs(ours - theirs).mean() < 8  # of 255: it has fewer colours; of other samples it is 15 and more


def test_a_cell_is_of_its_own_prior_and_method():
    rows = {row[0]: dict(zip(overnight.SHOWN_FITS, row[1:])) for row in overnight.fitted_rows()}
    assert rows["diffusion"]["mmvae"] == "0.449"
    assert rows["diffusion width=128"]["mmvae"] == "0.417"


def test_priors_are_of_one_method_and_in_order():
    rows = {row[0]: row[1:] for row in digits.prior_rows("mmvae")}
    assert rows["diffusion"][:4] == ["5", "0.852 ± 0.012", "100%", "0.959"]
    assert list(rows)[:3] == ["laplace (its own)", "laplace", "normal"]
    assert list(rows)[-2:] == ["bootstrap", "held-out aggregate"]
    assert rows["laplace (its own)"][2] == rows["held-out aggregate"][2] == ""  # the gap is measured between these two
    assert next(iter(digits.prior_rows("ebm-base")))[0] == "p0"


def test_a_configuration_is_found_by_its_settings():
    rows = {row[2]: row for row in digits.together_rows()}
    assert rows["f711db40"][:2] == ["ebm-base", "energy, short chains from p0"]
    assert rows["40e9482f"][:2] == ["mmvae", "mixture"]
    assert rows["40e9482f"][-1] == "0.672"


def test_an_ablation_is_measured_on_held_out_training_tuples():
    rows = digits.ablation_rows()
    # On test tuples its joint coherence is 0.877.
    assert rows[0] == ["nothing", "0.864 ± 0.014", "0.843", "-0.3", "0.883"]
    assert rows[-1][0] == "`prior.standardise=false`"


def test_a_joint_coherence_has_its_own_chance():
    rows = {row[0]: row[1:] for row in birds.photograph_rows()}
    assert rows["ebm-base"][1:4] == ["0.490 (0.410)", "0.467 (0.387)", "0.520 (0.335)"]


def test_a_table_below_a_line_is_not_the_first_of_its_headings(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("**a**\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n**b**\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")
    table = pages.Table(page, "| x | y |", lambda: [["3", "4"]], below="**b**")
    assert table.written() == ["| x | y |", "|---|---|", "| 1 | 2 |"]
    table.write()
    assert page.read_text().count("| 1 | 2 |") == 1
    assert page.read_text().endswith("**b**\n\n| x | y |\n|---|---|\n| 3 | 4 |\n")


def test_epochs_are_compared_with_all_else_as_the_preset_has_it():
    rows = {(row[0], row[1]): row[2:] for row in overnight.time_rows()}
    assert (rows["mmvae", "15"][2], rows["mmvae", "38"][2]) == ("0.530", "0.565")


def test_a_caption_says_method_prior_and_interval():
    rows = {row["method"]: row for row in committed.of_preset(committed.QUICK)}
    assert pictures.caption(rows["ebm-base"]) == "MMVAE, energy prior: joint coherence 0.89 [0.87, 0.91], 5 seeds"


def test_each_row_has_the_published_value_of_its_own_method():
    rows = overnight.with_published()
    published = {row["method"]: row.get("joint_coherence_poster") for row in rows}
    assert (published["ebm-base"], published["mvae"]) == (0.746, None)
    assert len(published) == len(rows) == 8


def test_an_interval_takes_several_seeds():
    row = {"seeds": 1, "joint_coherence": "0.5", "joint_coherence_low": "0.4", "joint_coherence_high": "0.6"}
    assert committed.interval(row, "joint_coherence") == "0.500"
    assert committed.interval({**row, "seeds": 3}, "joint_coherence") == "0.500 [0.400, 0.600]"
