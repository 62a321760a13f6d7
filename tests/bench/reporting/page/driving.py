"""What a reader does with report.html in a browser."""

import time

READY = "return document.documentElement.dataset.ready"


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


def choose(page, selector, text):
    script = """
        const select = document.querySelector(arguments[0]);
        select.selectedIndex = [...select.options].findIndex(option => option.textContent === arguments[1]);
        select.dispatchEvent(new Event("input", {bubbles: true}));
        return select.selectedIndex;"""
    assert page.execute_script(script, selector, text) >= 0


def text_of(page, selector):
    return page.execute_script("return document.querySelector(arguments[0]).textContent", selector)
