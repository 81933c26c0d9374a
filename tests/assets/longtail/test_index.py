import os

import numpy as np
import pytest

from assets.lake.lake import Lake
from assets.longtail.config import LongtailConfig
from assets.longtail.index import IndexedInstruction, new_index, open_index
from models.common.progress import silent

CONFIG = LongtailConfig(
    qdrant_url=None, collection="contract-test", min_similarity=0.9, exemplars=4, refill_pairs=3, demand=None
)
SERVER = os.environ.get("QDRANT_URL")
BACKENDS = [
    None,
    pytest.param(SERVER, marks=pytest.mark.skipif(not SERVER, reason="QDRANT_URL names no server")),
]


def vectors_of(count: int, dimensions: int = 8) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(count, dimensions)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def instructions_of(count: int) -> list[IndexedInstruction]:
    return [
        IndexedInstruction(f"do {n}", "en", "color" if n % 3 else "text", "t", n + 1) for n in range(count)
    ]


@pytest.fixture(params=BACKENDS)
def config(request) -> LongtailConfig:
    return CONFIG.model_copy(update={"qdrant_url": request.param})


# The contract of every backend.


def test_an_instruction_indexed_twice_counts_once(lake: Lake, config):
    with new_index(lake, config, 8) as index:
        for _ in range(2):
            index.upsert(instructions_of(10), vectors_of(10), silent)
        assert index.count() == 10
        assert (index.count("text"), index.count("color"), index.count("none")) == (4, 6, 0)


def test_density_counts_all_instructions_within_the_cosine(lake: Lake, config):
    vectors = vectors_of(60)
    with new_index(lake, config, 8) as index:
        index.upsert(instructions_of(60), vectors, silent)
        found = index.density(vectors[:9], 0.4)
    assert found.tolist() == ((vectors[:9] @ vectors.T) >= 0.4).sum(1).tolist()


def test_what_was_indexed_is_there_when_the_index_is_opened_again(lake: Lake, config):
    with new_index(lake, config, 8) as index:
        index.upsert(instructions_of(5), vectors_of(5), silent)
    with open_index(lake, config) as index:
        assert index.count() == 5


def test_a_new_index_holds_nothing_of_one_that_was_killed(lake: Lake, config):
    def kill(what, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), new_index(lake, config, 8) as index:
        index.upsert(instructions_of(5), vectors_of(5), kill)
    with new_index(lake, config, 8) as index:
        assert index.count() == 0


# Local mode alone.


def test_files_that_a_kill_left_broken_do_not_stop_a_new_index(lake: Lake):
    folder = lake.local_path("qdrant")
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"collections": {"contr')
    with new_index(lake, CONFIG, 8) as index:
        assert index.count() == 0
