import polars as pl
import pytest

from assets.corpora.batches import discover_batches
from assets.corpora.demo.corpus import TRUTH, make_demo_corpus
from assets.corpora.ingest import ingest_batch
from assets.engine.measure import measure_shards
from assets.filtered.filter_images import filter_images
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED, FILTERED, TRUTH_PATH
from assets.lake.schemas import RECORDS, VERDICTS
from assets.measured.registry import IMAGE_MEASURES
from assets.reports.truth import score_filters
from models.common.progress import silent
from orchestration.profile import load_profile

PROFILE = load_profile("demo")
FILTERS = [
    *("codes", "overlay_text", "mosaic", "collage", "privacy_bar"),
    *("exposure", "flat", "noise", "blur", "truncated"),
]
PLANTED = 4


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> dict[str, dict]:
    """The demo's rules on a small corpus made with another seed than the demo's."""
    lake = Lake(str(tmp_path_factory.mktemp("demo")))
    smaller = {"seed": 11, "train_images": 24, "heldout_images": 10, "planted_per_defect": PLANTED}
    make_demo_corpus(lake, PROFILE.demo.model_copy(update=smaller), silent)
    for batch in discover_batches(lake, PROFILE.corpora):
        ingest_batch(lake, PROFILE.corpora, batch, workers=1, progress=silent)
    shards = lake.list("images", ".parquet")
    measure_shards(lake, shards, IMAGE_MEASURES, workers=1, progress=silent)
    lake.write_table(DEDUPED, pl.DataFrame(schema=dict(VERDICTS)), VERDICTS)
    filter_images(lake, shards, IMAGE_MEASURES, PROFILE.filtered)
    tables = (lake.read_table(path, VERDICTS) for path in (DEDUPED, FILTERED))
    return score_filters(lake.read_tables("records", RECORDS), *tables, lake.read_table(TRUTH_PATH, TRUTH))


@pytest.mark.parametrize("name", FILTERS)
def test_the_rules_of_the_demo_find_what_was_planted_and_little_else(scored, name):
    planted = PLANTED * 2 if name in ("exposure", "truncated") else PLANTED
    assert scored[name]["planted"] == planted
    assert scored[name]["recall"] >= 1 - 1 / planted
    assert scored[name]["precision"] >= 1 - 1 / planted
