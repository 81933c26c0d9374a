"""Pictures of a home in Dagster's pages, for the documentation; needs Chromium and its driver.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from PIL import Image

from assets.lake.lake import Lake
from assets.lake.steps import preview_path
from orchestration.commands.options import Chosen, on_home
from orchestration.definitions import build_definitions

PATIENCE_SECONDS = 180
GRAPH_WINDOW = (2600, 2100)
"""As large as the graph needs to be drawn whole with every group open."""

ASSET_WINDOW = (1500, 1400)
PREVIEWED = "bench_report"
MARGIN = 30

GRAPH_ALONE = """
const area = one => { const place = one.getBoundingClientRect(); return place.width * place.height; };
const drawings = [...document.querySelectorAll('svg')];
const graph = drawings.reduce((best, one) => area(one) > area(best) ? one : best);
for (let one = graph; one.parentElement; one = one.parentElement)
  for (const other of one.parentElement.children)
    if (other !== one) other.style.visibility = 'hidden';
const places = [...graph.querySelectorAll('foreignObject')].map(one => one.getBoundingClientRect());
return [Math.min(...places.map(one => one.left)), Math.min(...places.map(one => one.top)),
        Math.max(...places.map(one => one.right)), Math.max(...places.map(one => one.bottom))];
"""
"""Hides the page around the graph; returns left, top, right and bottom of its nodes and groups."""


@click.command()
@on_home
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="docs/images",
    show_default=True,
)
def main(chosen: Chosen, folder: Path) -> None:
    """Save the asset graph, an asset with its preview, and the edits of the benchmark as pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    specs = build_definitions(chosen.profile, chosen.home).resolve_all_asset_specs()
    groups = sorted({spec.group_name for spec in specs if spec.group_name})
    with pages(chosen) as url, browser() as driver:
        save_png(photograph_graph(driver, url, groups), folder / "asset_graph.png")
        save_png(photograph_preview(driver, url, PREVIEWED), folder / "asset_preview.png")
    edits = Lake(str(chosen.home)).read_bytes(preview_path(PREVIEWED))
    (folder / "edits.jpg").write_bytes(edits)
    click.echo(f"{folder}: asset_graph.png, asset_preview.png, edits.jpg")


@contextmanager
def pages(chosen: Chosen) -> Iterator[str]:
    """Serves Dagster's pages of a home on a free port of the loopback; yields their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "orchestration.cli",
        "ui",
        "--only",
        "dagster",
        "--dagster-port",
        str(port),
    ]
    server = subprocess.Popen(command, env=os.environ | chosen.environment, stdout=subprocess.DEVNULL)
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
        click.ClickException: there is none on this machine.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        raise click.ClickException("There is no chromium with its chromedriver. Install both packages.")
    options = Options()
    options.binary_location = chromium
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to be root with one
    for argument in ("--headless=new", "--hide-scrollbars", "--disable-dev-shm-usage", *sandbox):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield driver
    finally:
        driver.quit()


def photograph_graph(driver: Any, url: str, groups: Sequence[str]) -> Image.Image:
    """Returns the asset graph with all groups open, without the page around it."""
    driver.set_window_size(*GRAPH_WINDOW)
    opened = quote(",".join(f"global@global:{group}" for group in groups), safe="")
    driver.get(f"{url}/asset-groups?expanded={opened}")
    _until(driver, lambda: driver.find_elements("css selector", "foreignObject") or None)
    _settled(driver)
    left, top, right, bottom = driver.execute_script(GRAPH_ALONE)
    shown = _screenshot(driver)
    return shown.crop(
        (
            max(left - MARGIN, 0),
            max(top - MARGIN, 0),
            min(right + MARGIN, shown.width),
            min(bottom + MARGIN, shown.height),
        )
    )


def photograph_preview(driver: Any, url: str, asset: str) -> Image.Image:
    """Returns the page of an asset with its preview picture opened."""
    driver.set_window_size(*ASSET_WINDOW)
    driver.get(f"{url}/assets/{asset}")
    row = "//tr[.//*[text()='preview']]//*[contains(text(), 'Show Markdown')]"
    link = _until(driver, lambda: driver.find_element("xpath", row))
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", link)
    picture = _until(driver, lambda: driver.find_element("css selector", "[class*=dialog] img"))
    _until(driver, lambda: picture.get_property("complete") or None)
    _settled(driver)
    return _screenshot(driver)


def save_png(picture: Image.Image, path: Path) -> None:
    """Writes a picture in 256 colours, which is plenty for a page and a third of the bytes."""
    picture.quantize(256).save(path, optimize=True)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/server_info", timeout=5).close()  # noqa: S310 (our own, on loopback)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
        else:
            return
    raise click.ClickException(
        f"Dagster's pages did not open at {url}; logs/dagster.log in the home says why."
    )


def _until(driver: Any, find: Any) -> Any:
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    drawn_anew = (NoSuchElementException, StaleElementReferenceException)
    return WebDriverWait(driver, PATIENCE_SECONDS, ignored_exceptions=drawn_anew).until(lambda _: find())


def _settled(driver: Any) -> None:
    """Waits until two pictures of the page, a second apart, are the same."""
    before = b""
    for _ in range(PATIENCE_SECONDS):
        now = driver.get_screenshot_as_png()
        if now == before:
            return
        before = now
        time.sleep(1)


def _screenshot(driver: Any) -> Image.Image:
    return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main()
