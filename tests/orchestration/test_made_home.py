"""What a home holds after the whole lineage: the status, the life of a sample, and what Dagster shows."""

import itertools
import json
import re
import shutil
from fnmatch import fnmatch
from importlib import import_module

import dagster as dg
import polars as pl
import pytest

from assets.lake.lake import Lake
from assets.lake.materialize import MAX_PREVIEW_BYTES, step_of
from assets.lake.schemas import RECORDS, SAMPLES
from assets.lake.steps import read_manifests, require_manifest
from assets.reports.funnel import is_monotone
from models.common.progress import silent
from orchestration.definitions import ASSET_MODULES, build_definitions
from orchestration.instance import dagster_home
from orchestration.plan import plan
from orchestration.profile import load_profile
from orchestration.reference import measured_seconds
from orchestration.resources import build_resources
from orchestration.run import expected_seconds
from orchestration.selection import job_selection

STAGES = ["pretrain", "ct", "sft", "dpo", "nft"]


@pytest.fixture(scope="module")
def assets(tiny_run):
    graph = build_definitions(load_profile(str(tiny_run.profile)), tiny_run.home).resolve_asset_graph()
    return [key.path[-1] for key in graph.toposorted_asset_keys]


@pytest.fixture(scope="module")
def status(tiny_run):
    done = tiny_run.emberline("status", "--json")
    assert done.returncode == 0, done.stderr

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(done.stdout, parse_constant=refuse)


def test_a_run_tells_of_every_asset_and_of_the_time_left(tiny_run, assets):
    line = re.compile(r"^ *done +(\w+) +[\d.]+ s +(\d+)/(\d+) assets, .* left$", re.MULTILINE)
    told = line.findall(tiny_run.said)
    assert sorted(name for name, _, _ in told) == sorted(assets)
    assert [int(done) for _, done, _ in told] == list(range(1, len(assets) + 1))
    assert {int(total) for _, _, total in told} == {len(assets)}
    assert "Traceback" not in tiny_run.said
    assert "WARNING" not in tiny_run.said
    assert "leaked" not in tiny_run.said


def test_the_status_holds_what_the_demo_promises(status):
    assert [row["stage"] for row in status["stages"]] == STAGES
    for row in status["stages"]:
        assert {
            "steps",
            "first_validation_loss",
            "last_validation_loss",
            "seconds",
            "zero_stage",
        } <= row.keys()
        assert row["world_size"] == 2
    assert status["filters"]["truncated"].keys() >= {"precision", "recall"}
    assert status["evaluator"].keys() >= {"auc", "auc_instruction_only", "auc_pictures_only"}
    for kind in status["bench"].values():
        assert kind.keys() == set(STAGES)
        assert all({"model_error", "copy_error"} <= figures.keys() for figures in kind.values())
    assert status["registry"]["name"] == "emberline-edit"
    assert status["registry"]["problems"] == []
    assert status["registry"]["decision"]["reasons"]
    before, after = (sum(row[when] for row in status["coverage"].values()) for when in ("before", "after"))
    assert after > before
    assert status["disk_bytes"] > 1_000_000


def test_the_status_is_also_readable(tiny_run, status):
    shown = tiny_run.emberline("status").stdout
    assert "not computed yet" not in shown
    assert all(stage in shown for stage in STAGES)
    assert "registry: emberline-edit" in shown
    assert status["registry"]["decision"]["reasons"][0] in shown
    assert "mean over kinds" in shown


def test_the_funnel_loses_nothing_that_no_rule_answers_for(status):
    rows = status["funnel"]
    assert is_monotone(rows)
    images, pairs = rows[:3], rows[3:]
    for part in (images, pairs):
        assert all(after["in"] == before["kept"] for before, after in itertools.pairwise(part))
    assert rows[0]["dropped"] == {"unreadable": len(status["unreadable"])}
    assert all(one["error"] for one in status["unreadable"])


@pytest.fixture(scope="module")
def explained(tiny_run):
    def explain(identifier):
        done = tiny_run.emberline("explain", identifier, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return explain


def test_the_life_of_a_sample_leads_from_its_file_to_the_checkpoints_that_saw_it(tiny_run, explained):
    seen = tiny_run.lake.read_table("training/sft/seen.parquet")
    life = explained(seen["sample_id"][0])
    assert "sft" in life["mixtures"]
    assert {"stage", "step", "sample_id"} <= life["seen_by"][0].keys()
    assert "sft" in {one["stage"] for one in life["seen_by"]}
    assert life["texts"]
    assert life["verdicts"]
    source = explained(life["source_ids"][0])
    assert life["sample_id"] in {sample["sample_id"] for sample in source["samples"]}
    [file, *_] = source["files"]
    by_path = explained(file["path"])
    assert by_path["file"]["path"] == file["path"]
    assert {**by_path, "file": None} == source
    measured = {name.partition("@")[0] for name in source["measures"]}
    assert {"photometric", "pdq", "thumbnail", "descriptor"} <= measured
    assert {"deduped", "filtered"} <= {verdict["stage"] for verdict in source["verdicts"]}
    target = explained(life["target_id"])
    assert target["files"] == []
    assert {sample["role"] for sample in target["samples"]} >= {"target"}


def test_the_life_of_an_unreadable_file_is_short_and_says_why(tiny_run, explained):
    records = tiny_run.lake.read_tables("records", RECORDS).drop_nulls("error")
    for path, error in records.select("path", "error").iter_rows():
        life = explained(path)
        assert life["files"][0]["error"] == error
        assert life["samples"] == []
        assert life["stored"] == []


def test_the_first_digits_of_an_id_are_enough_unless_several_begin_so(tiny_run):
    sample = tiny_run.lake.read_tables("samples", SAMPLES)["sample_id"][0]
    assert sample in tiny_run.emberline("explain", sample[:10]).stdout
    several = tiny_run.emberline("explain", "")
    assert several.returncode == 1
    assert " matches " in several.stderr


def test_no_stage_has_seen_a_group_that_is_held_out(tiny_run):
    samples = tiny_run.lake.read_tables("samples", SAMPLES)
    held_out = set(samples.filter(split="heldout")["group_id"])
    assert held_out
    for stage in STAGES:
        seen = tiny_run.lake.read_table(f"training/{stage}/seen.parquet")
        groups = samples.filter(pl.col("sample_id").is_in(seen["sample_id"].to_list()))["group_id"]
        assert len(groups)
        assert not held_out & set(groups), stage


@pytest.fixture(scope="module")
def instance(tiny_run):
    with dg.DagsterInstance.from_config(str(dagster_home(tiny_run.home))) as opened:
        yield opened


def test_every_asset_shows_rows_seconds_and_a_picture_or_a_table_in_dagster(instance, assets):
    previews = {}
    for name in assets:
        event = instance.get_latest_materialization_event(dg.AssetKey(name))
        shown = event.asset_materialization.metadata
        assert {"dagster/row_count", "seconds", "files", "reused"} <= shown.keys(), name
        if "preview" in shown:
            previews[name] = shown["preview"].value
        tables = [one for one in shown.values() if isinstance(one, dg.TableMetadataValue)]
        # deduped_pairs shows a table of what it dropped, and drops nothing of so few
        assert "preview" in shown or tables or name == "deduped_pairs", f"{name} shows no picture, no table"
    assert {"raw_images", "deduped", "filtered", "synthesized", "bench_report"} <= previews.keys()
    for name, markdown in previews.items():
        assert re.match(r"!\[[\w/-]+\]\(data:image/jpeg;base64,/9j/", markdown), name
        assert len(markdown) < MAX_PREVIEW_BYTES * 1.4


def test_every_check_was_made_and_the_invariants_hold(instance, tiny_run):
    definitions = build_definitions(load_profile(str(tiny_run.profile)), tiny_run.home)
    keys = list(definitions.resolve_asset_graph().asset_check_keys)
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    passed = {key.name: record.status.value for key, record in records.items()}
    assert passed.keys() == {key.name for key in keys}
    for invariant in ("tables_keep_their_schema", "nothing_vanishes", "nothing_held_out_is_trained_on"):
        assert passed[invariant] == "SUCCEEDED"


def test_a_finished_home_expects_no_time_and_another_as_long_as_the_last_time(tiny_run, assets):
    profile = load_profile(str(tiny_run.profile))
    rows = plan(profile, tiny_run.home, job_selection("all"))
    assert {row.state for row in rows} == {"finished"}
    assert set(expected_seconds(tiny_run.lake, rows).values()) == {0.0}
    due = [row._replace(state="due") for row in rows]
    assert dict(expected_seconds(tiny_run.lake, due)) == measured_seconds(tiny_run.lake, assets)


def test_a_stage_is_due_only_if_what_it_reads_turns_out_differently(tiny_run):
    profile = load_profile(str(tiny_run.profile))
    longer = profile.training.dpo.model_copy(update={"steps": 7})
    training = profile.training.model_copy(update={"dpo": longer})
    changed = profile.model_copy(update={"training": training})
    rows = plan(changed, tiny_run.home, job_selection("all"))
    states = {row.asset: row.state for row in rows}
    later = {"nft": "depends", "bench_report": "depends", "champion": "depends"}
    assert states == dict.fromkeys(states, "finished") | {"dpo": "due"} | later


class RecordingLake(Lake):
    """Notes the paths of the files that are read."""

    def read_bytes(self, path: str) -> bytes:
        READ.add(path)
        return super().read_bytes(path)


READ: set[str] = set()

FIXED_BY_IDS = ("images/*", "measures/*", "cache/sentences/*")
"""What these hold of an image or a text is a function of its content, whose hash is its id."""

HARMLESS = {
    # Which samples use images whose verdict changed is told in the facts and decides nothing.
    "filtered": {"samples/longtail.parquet", "samples/synthesized.parquet"},
    # Its own note of what the codec was fitted on.
    "training_cache": {"models/codec/made_with.json"},
}

NOTHING_LEFT = {"target_measures"}
"""What finds every image measured already and opens no shard."""

OF_EVERY_STEP = ("manifests/*", "previews/*", "home.json")

DATA_ASSETS = (
    "copy_descriptor",
    "deduped",
    "filtered",
    "captioned",
    "synthesized",
    "coverage",
    "longtail",
    "target_measures",
    "filtered_pairs",
    "deduped_pairs",
    "evaluator",
    "postfiltered",
    "training_cache",
    "funnel",
)


def unbound_asset(key: dg.AssetKey) -> dg.AssetsDefinition:
    """The asset before a profile's resources are bound to it."""
    modules = [import_module(f"assets.{name}.assets") for name in ASSET_MODULES]
    found = (one for one in dg.load_assets_from_modules(modules) if isinstance(one, dg.AssetsDefinition))
    return next(one for one in found if key in one.keys)


@pytest.mark.parametrize("asset", DATA_ASSETS)
def test_an_asset_reads_only_files_that_it_declares(tiny_run, tmp_path, asset):
    """What an asset reads without naming it can change, and the asset would count as finished."""
    home = tmp_path / "home"
    shutil.copytree(tiny_run.home, home, ignore=shutil.ignore_patterns("mlflow", "dagster", "bench", "logs"))
    profile = load_profile(str(tiny_run.profile))
    key = dg.AssetKey(asset)
    assets_def = unbound_asset(key)
    lake = RecordingLake(str(home))
    own = require_manifest(lake, asset).files
    resources = {**build_resources(profile, home, silent), "lake": lake}
    step = step_of(assets_def, key, resources)
    named = {
        path
        for name, patterns in step.inputs.items()
        for manifest in read_manifests(lake, name)
        for path in manifest.paths(*patterns)
    }
    lake.delete(f"manifests/{asset}.json")
    READ.clear()
    required = assets_def.required_resource_keys & resources.keys()
    needed = {name: resources[name] for name in required}
    assert dg.materialize([assets_def], resources=needed).success
    undeclared = {
        path
        for path in READ - named - own.keys() - HARMLESS.get(asset, set())
        if not any(fnmatch(path, pattern) for pattern in (*FIXED_BY_IDS, *OF_EVERY_STEP))
    }
    assert READ & named or asset in NOTHING_LEFT
    assert sorted(undeclared) == [], sorted(undeclared)
    assert dict(require_manifest(lake, asset).files) == dict(own)
