from contextlib import contextmanager

import numpy as np
import polars as pl

from assets.lake.kept import COLLECTED_SAMPLES_PATH, COLLECTED_TEXTS_PATH
from assets.lake.lake import Lake
from assets.lake.paths import COVERAGE_PATH
from assets.lake.schemas import SAMPLES, TEXTS
from assets.longtail.config import LongtailConfig
from assets.longtail.coverage import (
    COVERAGE,
    counts_by_category,
    coverage_table,
    distinct_instructions,
    training_edits,
)
from assets.longtail.index import new_index
from models.common.progress import silent

CONFIG = LongtailConfig(
    qdrant_url=None, collection="contract-test", min_similarity=0.9, exemplars=4, refill_pairs=3, demand=None
)


def vectors_of(count: int, dimensions: int = 8) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(count, dimensions)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@contextmanager
def indexed(lake, instructions, vectors):
    with new_index(lake, CONFIG, vectors.shape[1]) as index:
        index.upsert(instructions, vectors, silent)
        yield index


def sample(name: str, category: str | None, template: str, split="train", task="i2i") -> dict:
    return {
        "sample_id": name,
        "group_id": "g",
        "split": split,
        "task": task,
        "category": "stylistic",
        "subcategory": category,
        "source_ids": ["s"],
        "target_id": "t",
        "origin": {"engine": "t", "template": template, "parameters": "{}", "seed": 0, "parents": []},
        "license": "x",
    }


ROWS = [
    sample("a", "color", "sepia"),
    sample("b", "color", "sepia"),
    sample("c", "color", "warmer"),
    sample("d", "text", "text_banner"),
    sample("e", None, "zoom"),
    sample("f", "text", "text_banner", split="heldout"),
    sample("g", "text", "text_banner", task="t2i"),
]
SAID = [
    ("a", "en", "sepia please"),
    ("b", "en", "sepia please"),
    ("a", "zh", "棕褐色"),
    ("c", "en", "warm it"),
    ("d", "en", "write SALE"),
    ("f", "en", "write OPEN"),
    ("e", "en", "zoom in"),
]


def tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    blank = dict.fromkeys(TEXTS)
    texts = [
        {
            **blank,
            "text_id": f"{name}{lang}",
            "sample_id": name,
            "kind": "concise",
            "lang": lang,
            "text": text,
        }
        for name, lang, text in SAID
    ]
    return (
        pl.DataFrame(ROWS, schema=dict(SAMPLES), orient="row"),
        pl.DataFrame(texts, schema=dict(TEXTS), orient="row"),
    )


def test_coverage_counts_training_edits_and_distinct_english_texts(lake: Lake):
    samples, texts = tables()
    edits = training_edits(samples)
    instructions = distinct_instructions(edits, texts)
    assert [(each.text, each.samples) for each in instructions] == [
        ("sepia please", 2),
        ("warm it", 1),
        ("write SALE", 1),
        ("zoom in", 1),
    ]
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]  # the two colour texts are neighbours
    with indexed(lake, instructions, vectors) as index:
        table = coverage_table(edits, instructions, vectors, index, CONFIG)
    assert table.schema == pl.Schema(dict(COVERAGE))
    assert table.rows() == [("stylistic", 1, 1, 1, 1.0), ("text", 1, 1, 1, 1.0), ("color", 3, 2, 2, 2.0)]
    assert counts_by_category(samples) == {"color": 3, "stylistic": 1, "text": 1}


def test_measured_coverage_is_the_same_whatever_was_there_before(lake: Lake, monkeypatch):
    from assets.longtail import coverage

    def vectors(lake, texts, encoder_path, progress):
        return {text: vectors_of(64, 16)[len(text)] for text in texts}

    monkeypatch.setattr(coverage, "sentence_vectors", vectors)
    samples, texts = tables()
    lake.write_table("samples/synthesized.parquet", samples, SAMPLES)
    lake.write_table("texts/synthesized.parquet", texts, TEXTS)
    lake.write_table(COLLECTED_SAMPLES_PATH, samples.clear(), SAMPLES)
    lake.write_table(COLLECTED_TEXTS_PATH, texts.clear(), TEXTS)
    coverage.measure_coverage(lake, CONFIG, None, silent)
    first = lake.read_bytes(COVERAGE_PATH)
    output = coverage.measure_coverage(lake, CONFIG, None, silent)
    assert lake.read_bytes(COVERAGE_PATH) == first
    lake.write_table("samples/longtail.parquet", samples, SAMPLES)  # what an earlier refill made
    coverage.measure_coverage(lake, CONFIG, None, silent)
    assert lake.read_bytes(COVERAGE_PATH) == first
    assert {row["category"]: row["count"] for row in output.facts["coverage"]} == {
        "stylistic": 1,
        "text": 1,
        "color": 3,
    }
