"""The report of three editors over a toy suite, read as a browser and a screen reader read it."""

import json
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest
from toy_suite import EDITS, BlendEditor, codec, items

from benchmarks.config import BenchConfig
from benchmarks.report import gallery, language
from benchmarks.run import run_benchmark
from benchmarks.sheet import MAX_BYTES

CONFIG = BenchConfig(samples_per_kind=4, seed=0, steps=2, batch=5, shown_per_kind=3)
VOID = {"meta", "link", "img", "br", "rect"}


class Page(HTMLParser):
    """Collects tags in order and fails where they are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    editors = {"pretrain": BlendEditor(0.3), "sft": BlendEditor(0.9), "nft": BlendEditor(0.6)}
    scores, report = run_benchmark(
        items(),
        editors,
        folder=folder,
        codec=codec(),
        evaluator=lambda sources, instructions, outputs: [0.25] * len(outputs),
        config=CONFIG,
        progress=lambda *_: None,
    )
    return folder, scores, report


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(run[2].page.read_text())


def test_champion_and_challenger_are_the_two_best(run):
    assert (run[2].champion, run[2].challenger) == ("sft", "nft")


def test_figures_are_valid_json_and_those_of_the_scores(run):
    _, scores, report = run
    figures = json.loads(report.figures.read_text(), parse_constant=lambda name: pytest.fail(name))
    mine = scores.filter((pl.col("editor") == "nft") & (pl.col("kind") == "mirror"))
    assert figures["kinds"]["mirror"]["nft"]["model_error"] == pytest.approx(mine["model_error"].mean())
    assert figures["editors"]["sft"]["share_beating_copying"] == 1.0
    assert figures["settings"]["pretrain"] == {"share": 0.3, "batch": 5}


def test_running_again_gives_the_same_bytes(run):
    folder, scores, report = run
    before = {path: path.read_bytes() for path in (report.page, report.figures, report.sheet)}
    again, _ = run_benchmark(
        items()[::-1],
        {"pretrain": BlendEditor(0.3), "sft": BlendEditor(0.9), "nft": BlendEditor(0.6)},
        folder=folder,
        codec=codec(),
        evaluator=lambda sources, instructions, outputs: [0.25] * len(outputs),
        config=CONFIG,
        progress=lambda *_: None,
    )
    assert again.equals(scores)
    assert {path: path.read_bytes() for path in before} == before


def test_the_page_asks_nothing_of_a_network(page):
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not page.attributes("script")
    assert any("default-src 'none'" in str(meta.get("content")) for meta in page.attributes("meta"))


def test_every_shown_sample_has_source_truth_and_each_output(page):
    pictures = [image["alt"] for image in page.attributes("img")]
    samples = len(EDITS) * CONFIG.shown_per_kind
    assert len(page.attributes("article")) == samples
    for alt in ("Source 1", "Known truth", "Output of pretrain", "Output of sft", "Output of nft"):
        assert pictures.count(alt) == samples


def test_links_inside_the_page_lead_somewhere(page):
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in page.attributes("a")} <= places


def test_headings_go_down_one_level_at_a_time_and_tables_are_labelled(page):
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert all(heading["scope"] in ("col", "row") for heading in page.attributes("th"))
    assert len(page.attributes("caption")) == len(page.attributes("table"))
    assert page.attributes("html")[0]["lang"] == "en"


def test_instructions_are_text_and_in_their_language(page):
    assert "Mirror <the> picture & keep it." in page.words
    assert ("p", {"class": "instruction", "lang": "zh"}) in page.tags
    assert language("把颜色反转") == "zh"
    assert language("Turn it grey") == "en"


def test_the_sheet_fits_an_event_log(run):
    data = run[2].sheet.read_bytes()
    assert data[:2] == b"\xff\xd8"
    assert len(data) <= MAX_BYTES


def test_the_gallery_goes_from_best_to_worst(run):
    champion = run[1].filter(pl.col("editor") == "sft")
    for kind, ids in gallery(champion, 3).items():
        errors = dict(champion.filter(pl.col("kind") == kind).select("sample_id", "model_error").iter_rows())
        shown = [errors[sample_id] for sample_id in ids]
        assert len(ids) == 3
        assert shown == sorted(shown)
        assert (shown[0], shown[-1]) == (min(errors.values()), max(errors.values()))
