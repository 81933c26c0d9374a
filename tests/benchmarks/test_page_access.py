"""Every page in headless Chromium: an accessibility checker, no network, a phone.

The checker is axe-core, of which axe-playwright-python has a copy; .ci/run gets that package.
"""

import pytest
from browser import browser

REPORTS = ("judged", "demo")
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture
def violations(package_file):
    """Gets a driver and returns what axe finds wrong with the page that it shows."""
    script = package_file("axe_playwright_python", "axe.min.js").read_text(encoding="utf-8")

    def check(driver):
        driver.execute_script(script)
        found = driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        assert found["passes"]
        return [(one["id"], [node["html"][:160] for node in one["nodes"][:2]]) for one in found["violations"]]

    return check


def test_axe_finds_what_is_wrong(violations, tmp_path):
    page = tmp_path / "wrong.html"
    page.write_text("<!DOCTYPE html><html><title>x</title><img src='data:,'><p style='color:#bbb'>pale</p>")
    with browser(tmp_path / "profile") as driver:
        driver.get(page.as_uri())
        assert {"image-alt", "html-has-lang", "color-contrast"} <= {name for name, _ in violations(driver)}


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_reports_have_no_violation_that_axe_finds(violations, pages, tmp_path, width):
    with browser(tmp_path, *WIDTHS[width]) as driver:
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            for name in REPORTS:
                driver.get(pages[name].as_uri())
                assert violations(driver) == [], (name, scheme)


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_rating_pages_have_no_violation_that_axe_finds(violations, rating_pages, tmp_path, width):
    address, token, organiser, _, _ = rating_pages
    with browser(tmp_path, *WIDTHS[width]) as driver:
        driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # or axe could not be brought along
        for secret, paths in ((token, ("/items/1", "/overview")), (organiser, ("/results",))):
            driver.delete_all_cookies()
            driver.get(f"{address}/join/{secret}")
            assert violations(driver) == []
            driver.find_element("css selector", "button").click()
            for path in paths:
                driver.get(address + path)
                assert violations(driver) == [], path


SHOW_ALL = """
const done = arguments[0];
const pictures = [...document.images];
for (const one of pictures) one.loading = "eager";
Promise.all(pictures.map((one) => one.decode())).then(() => done(pictures.map((one) => one.naturalWidth)));
"""
LOADED = "return performance.getEntriesByType('resource').map((one) => one.name)"


def test_a_report_opens_without_a_network_and_shows_every_picture(pages, tmp_path):
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    with browser(tmp_path) as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        for name in REPORTS:
            driver.get(pages[name].as_uri())
            assert min(driver.execute_async_script(SHOW_ALL)) > 0
            loaded = driver.execute_script(LOADED)
            assert [address for address in loaded if not address.startswith("data:")] == []
            assert driver.get_log("browser") == []


def test_a_report_fits_a_phone_without_scrolling_sideways(pages, tmp_path):
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    with browser(tmp_path) as driver:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for name in REPORTS:
            driver.get(pages[name].as_uri())
            assert driver.execute_script("return document.documentElement.scrollWidth") <= 390, name
