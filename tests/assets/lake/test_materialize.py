"""What Dagster shows of a step: counts, tables and a preview, none too large for its event log."""

from pathlib import Path

import dagster as dg
import pytest

from assets.corpora.assets import raw_images
from assets.corpora.batches import discover_batches
from assets.corpora.config import CorporaConfig, CorpusConfig
from assets.lake.materialize import MAX_PREVIEW_BYTES, metadata, step_of
from assets.lake.run_step import run_step
from assets.lake.steps import Step, StepOutput, preview_path
from orchestration.profile import load_profile


def shown(lake, facts, preview=None):
    output = StepOutput(("a.bin",), 7, facts, preview)
    lake.write_bytes("a.bin", b"a")
    manifest = run_step(lake, Step("deduped", "1", {}, {}), lambda: output)
    return metadata(lake, [manifest])


def rows(value):
    assert isinstance(value, dg.TableMetadataValue)
    return [record.data for record in value.records]


def test_every_step_shows_rows_seconds_files_and_whether_it_was_kept(lake):
    found = shown(lake, {})
    assert found["dagster/row_count"] == 7
    assert found["seconds"] >= 0
    assert found["reused"] is False
    assert found["files"] == 1
    assert found["first_files"].data == [lake.uri("a.bin")]
    assert Path(found["manifest"]).is_file()
    assert "preview" not in found


@pytest.mark.parametrize(
    ("fact", "table"),
    [
        ([{"step": 1, "loss": 0.123456789}], [{"step": 1, "loss": 0.12346}]),
        ([{"step": 1}, {"step": 2, "loss": None}], [{"step": 1, "loss": ""}, {"step": 2, "loss": ""}]),
        ({"blur": 3, "codes": 1}, [{"name": "blur", "value": 3}, {"name": "codes", "value": 1}]),
        ({"sft": {"rows": 4, "samples": 2}}, [{"name": "sft", "rows": 4, "samples": 2}]),
        ({"sft": {"rows": 4}, "dpo": {}}, [{"name": "sft", "rows": 4}, {"name": "dpo", "rows": ""}]),
    ],
)
def test_what_is_many_is_a_table(lake, fact, table):
    assert rows(shown(lake, {"fact": fact})["fact"]) == table


@pytest.mark.parametrize("fact", [{"a": {"b": {"c": 1}}}, [], {}, ["x", "y"], {"a": [1, 2], "b": 3}])
def test_what_is_nested_or_empty_is_json(lake, fact):
    value = shown(lake, {"fact": fact})["fact"]
    assert isinstance(value, dg.JsonMetadataValue)
    assert value.data == fact


def test_numbers_and_words_are_themselves_and_nothing_is_null(lake):
    found = shown(lake, {"auc": 0.97, "stage": "sft", "alignment": None})
    assert (found["auc"], found["stage"]) == (0.97, "sft")
    assert isinstance(found["alignment"], dg.NullMetadataValue)


def test_a_preview_is_a_picture_unless_it_is_too_large_for_the_event_log(lake):
    markdown = shown(lake, {}, b"\xff\xd8\xff small")["preview"].md_str
    assert markdown.startswith("![deduped](data:image/jpeg;base64,/9j/")
    lake.write_bytes(preview_path("deduped"), b"x" * (MAX_PREVIEW_BYTES + 1))
    again = run_step(lake, Step("deduped", "1", {}, {}), lambda: pytest.fail("it was finished"))
    assert again.reused
    assert "preview" not in metadata(lake, [again])


def test_partitions_are_counted_together(lake):
    manifests = []
    for batch, count in (("mine-0000", 3), ("mine-0001", 4)):
        step = Step(f"raw_images/{batch}", "1", {}, {})
        unreadable = [{"path": f"{batch}.png"}]
        output = StepOutput((), count, {"readable": count, "unreadable": unreadable})
        manifests.append(run_step(lake, step, lambda output=output: output))
    found = metadata(lake, manifests)
    assert found["dagster/row_count"] == 7
    assert rows(found["readable"]) == [{"name": "mine-0000", "value": 3}, {"name": "mine-0001", "value": 4}]
    assert rows(found["unreadable"]) == [{"path": "mine-0000.png"}, {"path": "mine-0001.png"}]


DEMO = load_profile("demo").corpora


def corpora(*licenses: str) -> CorporaConfig:
    """Corpora a, b, ... with these licences."""
    listed = [
        CorpusConfig(name=name, path=f"inbox/{name}", reader="folder", license=license_)
        for name, license_ in zip("abc", licenses, strict=False)
    ]
    return DEMO.model_copy(update={"corpora": tuple(listed)})


def ingest_step(lake, config: CorporaConfig, batch: str) -> Step:
    resources = {"lake": lake, "corpora": config, "engine": None, "progress": None}
    return step_of(raw_images, dg.AssetKey("raw_images"), resources, batch)


def test_a_batch_depends_on_its_own_corpus_and_files_alone(lake):
    for name in "ab":
        lake.write_bytes(f"inbox/{name}/1.png", name.encode())
    discover_batches(lake, corpora("own", "own"))
    before = ingest_step(lake, corpora("own"), "a-0000")
    assert ingest_step(lake, corpora("own", "own"), "a-0000") == before
    assert ingest_step(lake, corpora("own", "MIT"), "a-0000") == before
    assert ingest_step(lake, corpora("MIT", "own"), "a-0000") != before
    lake.write_bytes("inbox/a/2.png", b"new")
    lake.write_bytes("inbox/b/metadata.jsonl", b'{"file_name": "1.png", "text": "x"}')
    discover_batches(lake, corpora("own", "own"))
    assert ingest_step(lake, corpora("own", "own"), "a-0000") == before
    lake.delete("inbox/a/1.png")
    discover_batches(lake, corpora("own", "own"))
    assert ingest_step(lake, corpora("own", "own"), "a-0000") != before
