import polars as pl
import pytest
from small_lake import verdict, write, write_small_lake

from assets.dedup.clusters import CLUSTERS
from assets.lake.paths import CLUSTERS_PATH
from assets.lake.schemas import VERDICTS
from assets.reports.lineage import UnknownIdError, explain


@pytest.fixture
def ids(lake):
    found = write_small_lake(lake)
    row = {"id": found["a"], "vector": [0.5] * 128, "hashes": b"x" * 256, "error": None}
    vectors = pl.DataFrame([row])
    lake.write_table("measures/descriptor@1/mine-0000-shard-000.parquet", vectors)
    lake.write_table("mixtures/sft.parquet", pl.DataFrame({"sample_id": ["s-forward"]}))
    lake.write_table("mixtures/dpo.parquet", pl.DataFrame({"sample_id": ["another"]}))
    seen = pl.DataFrame({"sample_id": ["s-forward"], "step": [7]})
    lake.write_table("training/sft/seen.parquet", seen)
    return found


def test_an_image_is_known_by_its_id_its_record_and_its_files(lake, ids):
    life = explain(lake, ids["a"])
    assert [file["path"] for file in life["files"]] == ["photos/a.jpg", "photos/again.jpg"]
    for name in ("r-a", "photos/a.jpg", "photos/again.jpg", ids["a"][:12]):
        assert explain(lake, name) | {"file": None} == life


def test_the_file_of_an_exact_duplicate_names_the_file_that_was_kept(lake, ids):
    dropped = verdict("r-again", "deduped", "exact_bytes")
    images = (verdict(ids[name], "deduped") for name in "ab")
    write(lake, "verdicts/deduped.parquet", VERDICTS, *images, dropped)
    expected = {"path": "photos/again.jpg", "kept_as_file": False, "rule": "exact_bytes"}
    for name in ("photos/again.jpg", "r-again"):
        assert explain(lake, name)["file"] == expected | {"kept_instead": "photos/a.jpg"}
    assert explain(lake, "photos/a.jpg")["file"] == {"path": "photos/a.jpg", "kept_as_file": True}
    assert explain(lake, "photos/broken.jpg")["file"]["kept_as_file"] is False


def test_a_near_copy_names_the_image_that_was_kept(lake, ids):
    row = {"cluster_id": ids["a"], "image_id": ids["b"], "kept_id": ids["a"], "rule": "pdq"}
    kept = {"cluster_id": ids["a"], "image_id": ids["a"], "kept_id": ids["a"]}
    write(lake, CLUSTERS_PATH, CLUSTERS, row, kept)
    history = explain(lake, ids["b"])
    assert history["kept_instead"] == {
        "image_id": ids["a"],
        "files": ["photos/a.jpg", "photos/again.jpg"],
    }
    assert explain(lake, ids["a"])["kept_instead"] is None


def test_the_life_of_an_image_leads_to_its_samples_and_verdicts(lake, ids):
    life = explain(lake, ids["a"])
    assert life["samples"] == [
        {"sample_id": "s-forward", "role": "source", "task": "i2i", "template": "blur"},
        {"sample_id": "s-inverse", "role": "target", "task": "i2i", "template": "blur:inverse"},
    ]
    assert [verdict["stage"] for verdict in life["verdicts"]] == ["deduped", "filtered"]
    assert life["stored"][0]["shard"] == "images/mine-0000/shard-000.parquet"
    dropped = explain(lake, ids["b"])["verdicts"][-1]
    assert (dropped["rule"], dropped["value"], dropped["kept"]) == ("blur", 0.1, False)


def test_vectors_and_pixels_are_told_by_their_size(lake, ids):
    measured = explain(lake, ids["a"])["measures"]["descriptor@1"]
    assert measured["vector"] == "128 numbers"
    assert measured["hashes"] == "256 bytes"


def test_the_life_of_a_sample_leads_to_the_checkpoints_that_saw_it(lake, ids):
    life = explain(lake, "s-forward")
    assert life["source_ids"] == [ids["a"]]
    assert life["mixtures"] == ["sft"]
    assert life["seen_by"] == [{"stage": "sft", "sample_id": "s-forward", "step": 7}]
    assert [text["text"] for text in life["texts"]] == ["Blur it."]
    assert explain(lake, "s-inverse")["seen_by"] == []


def test_an_unreadable_file_has_a_life_too(lake, ids):
    life = explain(lake, "photos/broken.jpg")
    assert life["files"][0]["error"] == "not an image in a supported format"
    assert (life["stored"], life["samples"], life["verdicts"]) == ([], [], [])


def test_a_picture_that_was_made_has_no_file(lake, ids):
    life = explain(lake, ids["t"])
    assert life["files"] == []
    assert [sample["role"] for sample in life["samples"]] == ["target", "source"]


def test_an_unknown_and_an_ambiguous_id_are_answered_with_the_fix(lake, ids):
    with pytest.raises(UnknownIdError) as raised:
        explain(lake, "zzz")
    assert (raised.value.wanted, raised.value.matches) == ("zzz", ())
    with pytest.raises(UnknownIdError) as raised:
        explain(lake, "s-")
    assert raised.value.matches == ("s-forward", "s-inverse")


def test_an_empty_lake_knows_nothing(lake):
    with pytest.raises(UnknownIdError):
        explain(lake, "a")
