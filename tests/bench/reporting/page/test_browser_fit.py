"""report.html in headless Chromium, on a phone and with more than fits: wide sheets, many rows."""

import pytest
from PIL import Image

from bench.commands.report import make_report
from tests.bench.reporting.page.driving import choose, load, wait_for
from tests.bench.rundirs import ENERGY, write_gaps, write_prior, write_run


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all_in_either_scheme(browser, out, scheme):
    load(browser, out, 390, scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    colours = browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color].map(c => c.match(/\\d+/g)[0])"
    )
    background, text = map(int, colours)
    assert abs(background - text) > 150
    assert (background > text) == (scheme == "light")
    ink = browser.execute_script("return getComputedStyle(document.querySelector('.plot .xtick text')).fill")
    assert ink == browser.execute_script("return getComputedStyle(document.body).color")


def test_what_is_wider_than_its_place_fades_at_that_edge(browser, out):
    load(browser, out, 390)
    more = "return document.querySelector('.heat').parentElement.dataset.more"
    wait_for(browser, f"{more} === 'right'")
    browser.execute_script("document.querySelector('.heat').parentElement.scrollLeft = 1e4")
    wait_for(browser, f"{more} === 'left'")
    mask = browser.execute_script("return getComputedStyle(document.querySelector('.heat').parentElement).maskImage")
    assert mask.startswith("linear-gradient(to right, rgba(0, 0, 0, 0)")


def test_a_phone_shows_all_of_the_navigation_and_all_blocks_of_cross_generation(browser, out):
    load(browser, out, 390)
    ends = browser.execute_script(
        "return [...document.querySelectorAll('nav a, .blocks img')].map(e => e.getBoundingClientRect().right)"
    )
    assert len(ends) == 5 + 4
    assert max(ends) <= 390


def test_a_wide_sheet_with_words_is_fitted_and_enlarged(browser, tmp_path):
    run = write_run(tmp_path)
    Image.effect_noise((1680, 230), 90).convert("RGB").save(run / "samples_chains.png")
    make_report(tmp_path)
    load(browser, tmp_path)
    size = "const p = document.querySelector('.shot img'); return [p.width, p.parentElement.clientWidth]"
    width, place = browser.execute_script(size)
    assert width == place < 1680
    wait_for(browser, "return !document.querySelector('.zoom').hidden")
    browser.execute_script("document.querySelector('.zoom').click()")
    assert browser.execute_script(size)[0] == 1680
    assert browser.execute_script("return document.querySelector('.zoom').ariaPressed") == "true"


def test_many_configurations_have_their_legend_below_the_chart(browser, tmp_path):
    for number in range(9):
        write_run(tmp_path, config_hash=f"{number:08}", joint=number / 10)
    make_report(tmp_path)
    load(browser, tmp_path)
    script = """
        const chart = document.getElementById("s1-training");
        const box = (part) => chart.querySelector(part).getBoundingClientRect();
        const dashes = [...chart.querySelectorAll(".js-line")].map((line) => line.style.strokeDasharray);
        return [box(".legend").top - box(".bglayer, .gridlayer").bottom, box(".legend").bottom,
            chart.getBoundingClientRect().bottom, new Set(dashes).size, chart.querySelectorAll(".traces").length,
            box(".scrollbar").height];"""
    gap, legend, chart, dashes, entries, scrollbar = browser.execute_script(script)
    assert gap > 0
    assert legend <= chart
    assert dashes == 6
    assert entries == 9
    assert scrollbar == 0


def test_long_tables_open_for_print(browser, tmp_path):
    for seed in range(13):
        write_gaps(write_run(tmp_path, "ebm-base", seed, config=ENERGY), -1.0)
    make_report(tmp_path)
    load(browser, tmp_path)
    is_open = "return document.querySelector('details.long').open"
    assert not browser.execute_script(is_open)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(is_open)
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert not browser.execute_script(is_open)


def test_one_page_of_rows_has_no_pager(browser, tmp_path):
    run = write_run(tmp_path)
    for number in range(101):
        write_prior(run, "mixture", 0.5, label=f"mixture {number}", settings={"components": number})
    make_report(tmp_path)
    load(browser, tmp_path)
    pager = "return document.querySelector('.dt-paging').hidden"
    assert browser.execute_script(pager)  # as trained: one row
    choose(browser, "[data-filter=prior]", "all")
    assert not browser.execute_script(pager)
