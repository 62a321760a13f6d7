"""report.html in headless Chromium."""

import itertools
import json
import time

import pytest

from tests.bench.reporting.page.conftest import ATTACK
from tests.bench.reporting.page.driving import choose, load, text_of, wait_for

VISIBLE = (
    "return [...document.querySelectorAll('#leaderboard tbody tr')].map(row => row.querySelector('a').textContent)"
)


@pytest.fixture
def page(browser, out):
    load(browser, out)
    return browser


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
