import polars as pl
import pytest
from small_lake import record, verdict, write, write_small_lake

from assets.corpora.demo.corpus import TRUTH
from assets.lake.paths import TRUTH_PATH
from assets.lake.schemas import RECORDS, VERDICTS
from assets.reports.funnel import FUNNEL_PATH, is_monotone, write_funnel


@pytest.fixture
def rows(lake):
    write_small_lake(lake)
    return {row["stage"]: row for row in write_funnel(lake).facts["funnel"]}


def test_each_stage_counts_what_the_one_before_kept(rows):
    assert rows["raw_images"] == {"stage": "raw_images", "in": 4, "kept": 3, "dropped": {"unreadable": 1}}
    assert rows["deduped"] == {"stage": "deduped", "in": 2, "kept": 2, "dropped": {}}
    assert rows["filtered"] == {"stage": "filtered", "in": 2, "kept": 1, "dropped": {"blur": 1}}
    assert rows["filtered_pairs"] == {"stage": "filtered_pairs", "in": 2, "kept": 2, "dropped": {}}
    assert rows["deduped_pairs"] == {"stage": "deduped_pairs", "in": 2, "kept": 1, "dropped": {"identity": 1}}
    assert rows["postfiltered"] == {"stage": "postfiltered", "in": 1, "kept": 1, "dropped": {}}


def test_a_pair_falls_with_any_of_its_pictures(lake):
    ids = write_small_lake(lake)
    write(
        lake, "verdicts/filtered_pairs.parquet", VERDICTS, verdict(ids["t"], "filtered_pairs", "codes", 2.0)
    )
    rows = {row["stage"]: row for row in write_funnel(lake).facts["funnel"]}
    assert rows["filtered_pairs"] == {"stage": "filtered_pairs", "in": 2, "kept": 0, "dropped": {"codes": 2}}
    assert rows["deduped_pairs"]["in"] == 0
    assert rows["postfiltered"]["in"] == 0


def test_an_image_that_deduplication_dropped_is_not_filtered_again(lake):
    ids = write_small_lake(lake)
    dropped = verdict(ids["a"], "deduped"), verdict(ids["b"], "deduped", "pdq", 10.0)
    write(lake, "verdicts/deduped.parquet", VERDICTS, *dropped)
    rows = {row["stage"]: row for row in write_funnel(lake).facts["funnel"]}
    assert rows["deduped"]["kept"] == rows["filtered"]["in"] == 1
    assert rows["filtered"]["dropped"] == {}


def test_unreadable_files_are_listed_with_their_reasons(lake):
    write_small_lake(lake)
    output = write_funnel(lake)
    assert output.facts["unreadable"] == [
        {"path": "photos/broken.jpg", "error": "not an image in a supported format"}
    ]
    assert lake.read_json(FUNNEL_PATH) == output.facts


def test_filters_are_scored_where_there_is_a_truth_alone(lake):
    write_small_lake(lake)
    assert write_funnel(lake).facts["filters"] is None
    planted = dict.fromkeys(TRUTH) | {"record_id": "r-b", "path": "photos/b.jpg", "defect": "blur"}
    lake.write_table(TRUTH_PATH, pl.DataFrame([planted], schema=dict(TRUTH)), TRUTH)
    filters = write_funnel(lake).facts["filters"]
    assert (filters["blur"]["precision"], filters["blur"]["recall"]) == (1.0, 1.0)
    assert filters["truncated"]["precision"] == 0.0, "an unreadable file was found that nobody planted"


@pytest.mark.parametrize(
    "row",
    [
        {"in": 2, "kept": 3, "dropped": {}},
        {"in": 2, "kept": 1, "dropped": {}},
        {"in": 2, "kept": 1, "dropped": {"blur": 2}},
        {"in": 3, "kept": 3, "dropped": {}},
    ],
)
def test_what_vanishes_or_appears_without_a_rule_is_noticed(row):
    before = {"stage": "raw_images", "in": 2, "kept": 2, "dropped": {}}
    assert is_monotone([before, {"stage": "deduped", "in": 2, "kept": 2, "dropped": {}}])
    assert not is_monotone([before, {"stage": "deduped", **row}])


def test_pairs_may_be_more_than_the_images_that_they_were_made_of():
    images = {"stage": "filtered", "in": 2, "kept": 2, "dropped": {}}
    assert is_monotone([images, {"stage": "filtered_pairs", "in": 9, "kept": 9, "dropped": {}}])


def test_a_funnel_in_which_rules_answer_for_everything_is_right(rows):
    assert is_monotone(list(rows.values()))


def test_a_corpus_of_unreadable_files_is_a_funnel_too(lake):
    write_small_lake(lake)
    broken = [record(name, None, error="empty file") for name in ("x", "y")]
    write(lake, "records/mine-0000.parquet", RECORDS, *broken)
    row = write_funnel(lake).facts["funnel"][0]
    assert (row["in"], row["kept"], row["dropped"]) == (2, 0, {"unreadable": 2})
