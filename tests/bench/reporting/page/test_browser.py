"""report.html in headless Chromium."""

import itertools
import json
import time

import pytest
from PIL import Image

from bench.commands.report import make_report
from tests.bench.reporting.page.conftest import ATTACK
from tests.bench.rundirs import ENERGY, write_gaps, write_prior, write_run

READY = "return document.documentElement.dataset.ready"
VISIBLE = (
    "return [...document.querySelectorAll('#leaderboard tbody tr')].map(row => row.querySelector('a').textContent)"
)


def set_media(browser, width=1440, scheme="light"):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def wait_for(browser, script, seconds=20):
    end = time.monotonic() + seconds
    while not (found := browser.execute_script(script)):
        assert time.monotonic() < end, script
        time.sleep(0.05)
    return found


def load(browser, out, width=1440, scheme="light", anchor=""):
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    set_media(browser, width, scheme)
    browser.get("about:blank")
    browser.get(f"{(out / 'report.html').as_uri()}{anchor}")
    wait_for(browser, READY)


@pytest.fixture
def page(browser, out):
    load(browser, out)
    return browser


def choose(page, selector, text):
    script = """
        const select = document.querySelector(arguments[0]);
        select.selectedIndex = [...select.options].findIndex(option => option.textContent === arguments[1]);
        select.dispatchEvent(new Event("input", {bubbles: true}));
        return select.selectedIndex;"""
    assert page.execute_script(script, selector, text) >= 0


def text_of(page, selector):
    return page.execute_script("return document.querySelector(arguments[0]).textContent", selector)


def test_nothing_goes_wrong_and_nothing_is_requested(page, out):
    page.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert page.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    requests = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in requests if not url.startswith(("data:", "about:"))} == {(out / "report.html").as_uri()}


def test_hostile_text_stays_text(page):
    assert page.execute_script("return window.hacked") is None
    assert page.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    assert (
        page.execute_script("return document.querySelectorAll('script:not([type]), script[type=module]').length") == 3
    )
    # Everywhere: the failure, the fitted prior, the absent measure, the provenance, the modalities.
    text = page.execute_script("return document.querySelector('main').textContent")
    assert text.count(ATTACK) >= 5
    for option in page.execute_script(
        "return [...document.querySelectorAll('select option')].map((option) => option.outerHTML)"
    ):
        assert "<img" not in option


def test_a_script_that_was_slipped_in_would_not_run(page):
    page.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.hacked = 1';"
        "document.body.append(script); document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=hacked=1>')"
    )
    time.sleep(0.2)
    assert page.execute_script("return window.hacked") is None
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))


def test_every_picture_loads_and_says_what_it_shows(page):
    pictures = page.execute_script(
        "return Promise.all([...document.images].map(async i => { await i.decode(); return [i.naturalWidth, i.alt] }))"
    )
    # Real data; joint and cross of three configurations, two of which have a block for each modality; a chain.
    assert len(pictures) == 1 + 3 + (2 + 2 + 1) + 1
    assert all(width > 0 and alt for width, alt in pictures)


def test_the_leaderboard_sorts_by_mouse_and_by_keyboard(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    heading = next(h for h in page.find_elements(By.CSS_SELECTOR, "#leaderboard thead th") if "joint coh" in h.text)
    heading.click()
    wait_for(page, "return document.querySelector('[aria-sort=descending]') !== null")
    first = page.execute_script(VISIBLE)
    assert first[:2] == ["ebm-base", "mmvae"]
    assert heading.get_attribute("aria-sort") == "descending"
    button = heading.find_element(By.CSS_SELECTOR, "[tabindex='0'], [role=button]")
    button.send_keys(Keys.ENTER)
    wait_for(page, "return document.querySelector('[aria-sort=ascending]') !== null")
    assert page.execute_script(VISIBLE) == first[::-1]
    assert heading.get_attribute("aria-sort") == "ascending"


def test_the_leaderboard_is_filtered_and_searched(page):
    assert page.execute_script(VISIBLE) == ["ebm-base", "mmvae", "mvae", "mopoe"]  # without the fitted prior
    assert "4 of 5 rows" in text_of(page, "[data-count]")
    choose(page, "[data-filter=prior]", "all")
    assert len(page.execute_script(VISIBLE)) == 5
    choose(page, "[data-filter=preset]", "smoke")
    assert page.execute_script(VISIBLE) == ["mopoe"]
    choose(page, "[data-filter=preset]", "all")
    choose(page, "[data-filter=prior]", "energy")
    assert page.execute_script(VISIBLE) == ["ebm-base"]
    choose(page, "[data-filter=prior]", "all")
    page.execute_script(
        "const find = document.querySelector('[data-find]'); find.value = 'mopoe';"
        "find.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert page.execute_script(VISIBLE) == ["mopoe"]


def test_a_click_on_a_method_shows_where_its_row_comes_from(page):
    from selenium.webdriver.common.by import By

    page.find_element(By.LINK_TEXT, "ebm-base").click()
    wait_for(page, "return document.querySelector(location.hash).open")
    assert "a processor" in text_of(page, "details.origin[open]")
    assert page.execute_script("return document.activeElement.tagName") == "SUMMARY"


def test_a_link_to_a_row_from_elsewhere_opens_it(browser, out):
    load(browser, out, anchor="#row-1")
    assert browser.execute_script("return document.getElementById('row-1').open")


def test_charts_are_drawn_and_show_what_is_chosen(page):
    charts = page.execute_script("return [...document.querySelectorAll('.plot')].map(plot => plot.id)")
    drawn = page.execute_script(
        "return [...document.querySelectorAll('.plot')].filter(p => p.querySelector('.trace')).length"
    )
    assert len(charts) == drawn >= 8
    title = "return document.querySelector('#s1-cost .xtitle').textContent"
    assert page.execute_script(title) == "seconds of training"
    choose(page, "select[data-chart=s1-cost]", "samples/s")
    assert page.execute_script(title) == "samples/s"


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


def test_assistive_technology_finds_names_and_an_order(page):
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('select, input')].filter(e => !e.labels.length).length"
        " + [...document.querySelectorAll('table')].filter(t => !t.ariaLabel && !t.closest('details')).length"
    )
    assert unnamed == 0
    levels = page.execute_script("return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert page.execute_script("return document.documentElement.lang") == "en"
    ids = page.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    for link in page.execute_script("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))"):
        assert link.startswith("#")
        assert link[1:] in ids


def test_it_prints(page):
    printed = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    assert len(printed["data"]) > 50_000
