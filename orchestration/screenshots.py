"""Takes screenshots of a home in Dagster's pages for the documentation. Needs Chromium and chromedriver.

python -m orchestration.screenshots --home .emberline/demo --to docs/images
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from PIL import Image

from assets.lake.lake import Lake
from assets.lake.steps import preview_path
from models.common.processes import supervised
from orchestration.commands.options import HomeOptions, on_home

TIMEOUT_SECONDS = 180
STOP_SECONDS = 10.0
GRAPH_WINDOW = (2000, 900)
"""Pixels; the graph of groups fills the width of the page, so its labels stay readable in a README."""

ASSET_WINDOW = (1500, 1400)
PREVIEW_ASSET = "bench_report"
MARGIN = 30

ISOLATE_GRAPH = """
const area = one => { const box = one.getBoundingClientRect(); return box.width * box.height; };
const drawings = [...document.querySelectorAll('svg')];
const graph = drawings.reduce((best, one) => area(one) > area(best) ? one : best);
for (let one = graph; one.parentElement; one = one.parentElement)
  for (const other of one.parentElement.children)
    if (other !== one) other.style.visibility = 'hidden';
const boxes = [...graph.querySelectorAll('foreignObject')].map(one => one.getBoundingClientRect());
return [Math.min(...boxes.map(one => one.left)), Math.min(...boxes.map(one => one.top)),
        Math.max(...boxes.map(one => one.right)), Math.max(...boxes.map(one => one.bottom))];
"""
"""JavaScript that hides the page around the graph and returns left, top, right and bottom of its nodes."""


@click.command()
@on_home
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="docs/images",
    show_default=True,
    help="Folder to write to.",
)
def main(options: HomeOptions, folder: Path) -> None:
    """Save images of the asset graph, of an asset with its preview, and of the benchmark's edits."""
    folder.mkdir(parents=True, exist_ok=True)
    with dagster_pages(options) as url, browser() as driver:
        save_png(capture_graph(driver, url), folder / "asset_graph.png")
        save_png(capture_preview(driver, url, PREVIEW_ASSET), folder / "asset_preview.png")
    edits = Lake(str(options.home)).read_bytes(preview_path(PREVIEW_ASSET))
    (folder / "edits.jpg").write_bytes(edits)
    click.echo(f"{folder}: asset_graph.png, asset_preview.png, edits.jpg")


@contextmanager
def dagster_pages(options: HomeOptions) -> Iterator[str]:
    """Serves Dagster's pages for a home on a free loopback port, and yields their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ui = [sys.executable, "-m", "orchestration.cli", "ui", "--only", "dagster", "--dagster-port", str(port)]
    command = supervised(ui, stop_seconds=STOP_SECONDS)
    server = subprocess.Popen(command, env=os.environ | options.environment, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, server)
        yield url
    finally:
        server.terminate()
        server.wait()


@contextmanager
def browser() -> Iterator[Any]:
    """Yields a headless Chromium.

    Raises:
        click.ClickException: Chromium or chromedriver is missing.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        raise click.ClickException("chromium or chromedriver is missing. Install both packages.")
    options = Options()
    options.binary_location = chromium
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium does not start as root with a sandbox
    for argument in ("--headless=new", "--hide-scrollbars", "--disable-dev-shm-usage", *sandbox):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield driver
    finally:
        driver.quit()


def capture_graph(driver: Any, url: str) -> Image.Image:
    """Returns an image of the graph of asset groups, from left to right, without the page around it."""
    driver.set_window_size(*GRAPH_WINDOW)
    driver.get(f"{url}/asset-groups")
    _until(driver, lambda: driver.find_elements("css selector", "foreignObject") or None)
    _wait_until_still(driver)
    left, top, right, bottom = driver.execute_script(ISOLATE_GRAPH)
    page = _screenshot(driver)
    return page.crop(
        (
            max(left - MARGIN, 0),
            max(top - MARGIN, 0),
            min(right + MARGIN, page.width),
            min(bottom + MARGIN, page.height),
        )
    )


def capture_preview(driver: Any, url: str, asset: str) -> Image.Image:
    """Returns an image of an asset's page with its preview opened."""
    driver.set_window_size(*ASSET_WINDOW)
    driver.get(f"{url}/assets/{asset}")
    row = "//tr[.//*[text()='preview']]//*[contains(text(), 'Show Markdown')]"
    link = _until(driver, lambda: driver.find_element("xpath", row))
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", link)
    preview = _until(driver, lambda: driver.find_element("css selector", "[class*=dialog] img"))
    _until(driver, lambda: preview.get_property("complete") or None)
    _wait_until_still(driver)
    return _screenshot(driver)


def save_png(image: Image.Image, path: Path) -> None:
    """Writes an image with 256 colors, which is enough for a page and a third of the bytes."""
    image.quantize(256).save(path, optimize=True)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/server_info", timeout=5).close()  # noqa: S310 (our own server, on loopback)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
        else:
            return
    raise click.ClickException(
        f"Dagster's pages did not open at {url}. See logs/dagster.log in the home for the reason."
    )


def _until(driver: Any, find: Any) -> Any:
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    redrawn = (NoSuchElementException, StaleElementReferenceException)
    return WebDriverWait(driver, TIMEOUT_SECONDS, ignored_exceptions=redrawn).until(lambda _: find())


def _wait_until_still(driver: Any) -> None:
    """Waits until two screenshots of the page, a second apart, are equal."""
    before = b""
    for _ in range(TIMEOUT_SECONDS):
        now = driver.get_screenshot_as_png()
        if now == before:
            return
        before = now
        time.sleep(1)


def _screenshot(driver: Any) -> Image.Image:
    return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main()
