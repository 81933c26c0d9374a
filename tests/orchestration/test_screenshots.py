"""The pictures of the documentation, taken of a real home in a real browser."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_run import PATIENCE_SECONDS, REPOSITORY

from orchestration.screenshots import save_png


@pytest.fixture(scope="module")
def taken(tiny_run, tmp_path_factory):
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("needs Chromium and its driver")
    folder = tmp_path_factory.mktemp("images")
    command = [sys.executable, "-m", "orchestration.screenshots", "--to", str(folder)]
    command += ["--profile", str(tiny_run.profile), "--home", str(tiny_run.home)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_graph_of_groups_is_shown_whole(taken):
    with Image.open(taken / "asset_graph.png") as graph:
        assert graph.width > 1200
        assert graph.width > 3 * graph.height > 300
        ink = np.asarray(graph.convert("L")) < 100
        assert 0.001 < ink.mean() < 0.1, "the names of the groups are missing"
        edge = graph.convert("L").crop((0, 0, graph.width, 10))
        assert min(edge.getdata()) > 200, "the graph is cut off"
    assert (taken / "asset_graph.png").stat().st_size < 1_500_000


def test_the_preview_of_an_asset_is_opened(taken, tiny_run):
    with Image.open(taken / "asset_preview.png") as page, Image.open(taken / "edits.jpg") as sheet:
        middle = page.convert("RGB").crop((page.width // 3, 150, page.width * 2 // 3, page.height - 150))
        assert len(set(middle.resize((64, 64)).getdata())) > 500, "there is no photograph on the page"
        assert sheet.width > 300
    assert (taken / "edits.jpg").read_bytes() == tiny_run.lake.read_bytes("previews/bench_report.jpg")


def test_a_page_loses_nothing_visible_in_256_colours(tmp_path):
    page = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    save_png(page, tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as saved:
        pairs = zip(page.getdata(), saved.convert("RGB").getdata(), strict=True)
        assert max(abs(one[0] - other[0]) for one, other in pairs) <= 4
