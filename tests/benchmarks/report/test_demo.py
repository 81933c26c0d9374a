"""The report of three editors over a toy suite, read as a browser and a screen reader read it."""

import json
from itertools import pairwise

import polars as pl
import pytest
from page import Page
from toy_suite import EDITS, BlendEditor, codec, items

from benchmarks.config import BenchConfig
from benchmarks.report.demo import run_benchmark
from benchmarks.report.galleries import spread_over
from benchmarks.report.samples import language
from benchmarks.report.sheet import MAX_BYTES
from benchmarks.suites.catalogue import load_suite

CONFIG = BenchConfig(samples_per_kind=4, seed=0, steps=2, batch=5, shown_per_kind=3)


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


def test_the_page_asks_nothing_of_a_network(run, page):
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    files = {address for address in addresses if not address.startswith(("data:", "#"))}
    assert files == {"report.json", "figures.csv", "tasks.csv", "scores.csv", "failures.csv", "demand.json"}
    assert all((run[2].page.parent / name).exists() for name in files)  # links that a reader may follow
    assert all(image["src"].startswith("data:") for image in page.attributes("img"))
    assert not page.attributes("script")
    assert any("default-src 'none'" in str(meta.get("content")) for meta in page.attributes("meta"))


def test_every_shown_sample_has_source_truth_and_each_output(page):
    pictures = [image["alt"] for image in page.attributes("img")]
    samples = [article for article in page.attributes("article") if "id" in article]
    assert len(samples) == len(EDITS) * CONFIG.shown_per_kind
    for alt in ("Source 1", "Known truth", "Output of pretrain", "Output of sft", "Output of nft"):
        assert pictures.count(alt) == len(page.attributes("article"))


def test_the_demo_suite_can_be_run_again_from_its_files(run):
    again = load_suite("plain", data=run[0] / "suite", images=None, lang="en")
    originals = {item.sample_id: item for item in items()}
    assert {item.sample_id for item in again.items} == set(originals)
    for item in again.items:
        original = originals[item.sample_id]
        assert (item.kind, item.instruction) == (original.kind, original.instruction)
        assert item.sources[0].read() == original.sources[0].read()
        assert item.truth.read() == original.truth.read()


def test_the_demand_names_the_weak_categories_of_the_champion(run):
    demand = json.loads(run[2].demand.read_text())
    assert demand["model"] == "sft"
    assert sum(demand["demand"].values()) == 64
    assert set(demand["demand"]) <= {category for category, _, _ in EDITS.values()}


def test_copying_stands_beside_the_editors(run):
    figures = json.loads(run[2].figures.read_text())
    (row,) = figures["references"]["rows"]
    kinds = figures["kinds"]
    expected = sum(kinds[kind]["sft"]["copy_error"] for kind in kinds) / len(kinds)
    assert row["figures"]["model_error"] == pytest.approx(expected)


def test_links_inside_the_page_lead_somewhere(page):
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    inside = {link["href"] for link in page.attributes("a") if link["href"].startswith("#")}
    assert {link.removeprefix("#") for link in inside} <= places


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
    tasks = champion.select("sample_id", pl.col("kind").alias("task"))
    values = champion.select("sample_id", pl.col("model_error").alias("value"))
    for kind, ids in spread_over(values, tasks, 3).items():
        errors = dict(champion.filter(pl.col("kind") == kind).select("sample_id", "model_error").iter_rows())
        shown = [errors[sample_id] for sample_id in ids]
        assert len(ids) == 3
        assert shown == sorted(shown)
        assert (shown[0], shown[-1]) == (min(errors.values()), max(errors.values()))
