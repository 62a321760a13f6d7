"""A folder of runs that has a little of everything, and hostile text wherever a file can hold text."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from bench.commands.report import make_report
from tests.bench.rundirs import ENERGY, edit_json, write_gaps, write_prior, write_published, write_run, write_set

ATTACK = "<img src=x onerror=\"window.hacked='yes'\"><script>window.hacked='yes'</script>{{7*7}}</textarea>"
MODALITIES = {"modalities": {"m0": {"kind": "image"}, "m1": {"kind": "image"}}}
SCALE, SIZE, GAP = 2, 7, 4


def picture(rows, columns, seed=0):
    """Noise, enlarged as pictures of runs are."""
    pixels = np.random.default_rng(seed).integers(0, 256, (rows * SIZE, columns * SIZE, 3), dtype=np.uint8)
    return Image.fromarray(pixels.repeat(SCALE, 0).repeat(SCALE, 1))


def cross_picture():
    """Two blocks of three rows: the real items of a modality, then two that are generated."""
    blocks = [picture(3, 4, seed) for seed in (1, 2)]
    sheet = Image.new("RGB", (2 * blocks[0].width + GAP, blocks[0].height), "white")
    for k, block in enumerate(blocks):
        sheet.paste(block, (k * (block.width + GAP), 0))
    return sheet


def with_pictures(run):
    picture(2, 5).save(run / "samples_joint.png")
    cross_picture().save(run / "samples_cross.png")


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    """Three seeds of a method and of its energy version, one of another, a fitted prior, a failure; two presets."""
    folder = tmp_path_factory.mktemp("out")
    for seed in range(3):
        run = write_run(folder, "mmvae", seed, joint=0.4 + seed / 100, config=MODALITIES)
        write_published(run, 0.45, 0.6)
        with_pictures(run)
        other = write_run(folder, "ebm-base", seed, joint=0.8 + seed / 100, config={**ENERGY, **MODALITIES})
        write_gaps(other, -1.0, -7.0)
        with_pictures(other)
        picture(2, 6).save(other / "samples_chains.png")
    write_prior(run, "mixture", 0.7, label=ATTACK, coverage_to_aggregate=0.5)
    write_run(folder, "mopoe", preset="smoke", joint=0.3)
    write_run(
        folder, "mopoe", seed=1, error={"kind": f"Error {ATTACK}", "message": f"because {ATTACK}", "type": "Error"}
    )
    write_set(run, "likelihood", f"no density {ATTACK}")
    for key in ("name", "host"):
        edit_json(run / "provenance.json", "hardware", key, value=f"{key} {ATTACK}")
    edit_json(run / "provenance.json", "argv", value=["bench", ATTACK])
    (run / "history.csv").write_text("no table\n")
    named = {"model": {"network": ATTACK[:60], "prior": {"name": f"p{ATTACK}"}}}
    hostile = {**named, "modalities": {ATTACK: {"kind": ATTACK}, "b": {}}}
    with_pictures(write_run(folder, "mvae", joint=0.35, config=hostile, config_hash="deadbeef"))
    assert make_report(folder) == 0
    return folder


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, which logs what it says and requests. Without one the tests are skipped, unless
    $BENCH_REQUIRE_BROWSER says that one must be there."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        if os.environ.get("BENCH_REQUIRE_BROWSER"):
            pytest.fail("Chromium and chromedriver are required here (.ci/browser installs them on Debian)")
        pytest.skip("needs Chromium and chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()
