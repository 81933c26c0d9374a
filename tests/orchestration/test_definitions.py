import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from tiny_run import REPOSITORY

from orchestration.automation import JOBS
from orchestration.definitions import build_definitions
from orchestration.profile import load_profile
from trainers.stages.registry import STAGE_NAMES

LINEAGE = {
    "corpora": ["demo_corpus", "raw_images", "raw_samples"],
    "measured": ["measured"],
    "dedup": ["copy_descriptor", "deduped"],
    "filtered": ["filtered"],
    "captioned": ["captioned"],
    "synthesized": ["synthesized"],
    "longtail": ["coverage", "longtail"],
    "postfiltered": ["deduped_pairs", "evaluator", "filtered_pairs", "postfiltered", "target_measures"],
    "cached": ["training_cache"],
    "training": ["ct", "dpo", "nft", "pretrain", "sft"],
    "benchmark": ["bench_report"],
    "registry": ["champion"],
    "reports": ["funnel"],
}
"""Groups in the order in which data goes through them, reports last; a change of the graph is seen here."""

CHECKS = {
    "raw_samples": ["tables_keep_their_schema"],
    "evaluator": ["tells_edits_apart"],
    "postfiltered": ["tables_of_pairs_keep_their_schema"],
    "funnel": ["nothing_vanishes"],
    "training_cache": ["nothing_held_out_is_trained_on"],
    "bench_report": ["better_than_copying"],
}

JOB_GROUPS = {
    "data": set(LINEAGE) - {"training", "benchmark", "registry"},
    "train": {"training"},
    "bench": {"benchmark", "registry"},
    "all": set(LINEAGE),
}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    return build_definitions(load_profile("demo"), tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def graph(definitions):
    return definitions.resolve_asset_graph()


@pytest.fixture(scope="module")
def specs(definitions):
    return {spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs()}


def test_the_lineage_is_what_it_was(specs):
    found: dict[str, list[str]] = {}
    for name, spec in specs.items():
        found.setdefault(spec.group_name, []).append(name)
    assert {group: sorted(names) for group, names in found.items()} == LINEAGE


def test_groups_read_in_the_order_of_the_lineage(graph, specs):
    order = list(LINEAGE)
    for key in graph.get_all_asset_keys():
        group = specs[key.path[-1]].group_name
        before = {specs[parent.path[-1]].group_name for parent in graph.get(key).parent_keys}
        assert all(order.index(one) <= order.index(group) for one in before), key


def test_every_asset_says_what_it_is_whose_it_is_and_where_its_result_goes(specs):
    for name, spec in specs.items():
        assert len(name) <= 16, f"{name} is cut short in the asset graph"
        assert spec.description
        assert spec.owners, name
        assert all(owner.startswith("team:") for owner in spec.owners)
        assert spec.kinds, name
        assert spec.code_version, name
        assert "Writes" in spec.description or "Hands on" in spec.description, name


def test_every_asset_names_the_assets_that_read_it(graph, specs):
    for key in graph.get_all_asset_keys():
        description = " ".join((specs[key.path[-1]].description or "").split())
        readers = description.partition("Read by ")[2]
        if key.path[-1] == "training_cache":
            readers = readers.replace("the training stages", " ".join(f"`{stage}`" for stage in STAGE_NAMES))
        named = set(re.findall(r"`(\w+)`", readers))
        assert named == {child.path[-1] for child in graph.get(key).child_keys}, key


def test_invariants_are_checked_where_they_can_break(graph):
    found: dict[str, list[str]] = {}
    for key in graph.asset_check_keys:
        found.setdefault(key.asset_key.path[-1], []).append(key.name)
    assert {asset: sorted(names) for asset, names in found.items()} == CHECKS


def test_a_leak_or_a_broken_table_stops_what_comes_after(graph):
    blocking = {key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    assert blocking == {
        "tables_keep_their_schema",
        "tables_of_pairs_keep_their_schema",
        "nothing_held_out_is_trained_on",
    }


@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_its_part_of_the_lineage(definitions, job):
    assert set(JOBS) == set(JOB_GROUPS)
    keys = definitions.resolve_job_def(job).asset_layer.executable_asset_keys
    expected = {name for group in JOB_GROUPS[job] for name in LINEAGE[group]}
    assert {key.path[-1] for key in keys} == expected


def test_nothing_starts_by_itself(definitions):
    repository = definitions.get_repository_def()
    assert [sensor.name for sensor in repository.sensor_defs] == ["new_batches"]
    assert [schedule.name for schedule in repository.schedule_defs] == ["nightly_data"]
    for starter in (*repository.sensor_defs, *repository.schedule_defs):
        assert starter.job_name == "data"
    assert repository.sensor_defs[0].default_status == dg.DefaultSensorStatus.STOPPED
    assert repository.schedule_defs[0].default_status == dg.DefaultScheduleStatus.STOPPED


def test_stages_train_one_after_the_other_and_never_two_at_once(definitions, graph):
    stages = ["pretrain", "ct", "sft", "dpo", "nft"]
    for before, stage in itertools.pairwise(stages):
        assert dg.AssetKey(before) in graph.get(dg.AssetKey(stage)).parent_keys
    pools = {definitions.resolve_assets_def(dg.AssetKey(stage)).op.pool for stage in stages}
    assert pools == {"trainer"}


def test_only_raw_material_has_partitions(specs):
    partitioned = {name for name, spec in specs.items() if spec.partitions_def is not None}
    assert partitioned == {"raw_images", "raw_samples", "measured"}
    assert {specs[name].partitions_def.name for name in partitioned} == {"ingest_batch"}


def test_a_section_of_the_profile_stales_only_the_assets_that_ask_for_it(definitions):
    asks = {
        name: definitions.resolve_assets_def(dg.AssetKey(name)).required_resource_keys
        for names in LINEAGE.values()
        for name in names
    }
    assert {name for name, keys in asks.items() if "filtered" in keys} == {"filtered", "filtered_pairs"}
    assert {name for name, keys in asks.items() if "nft" in keys} == {"nft"}
    assert {name for name, keys in asks.items() if "trainer" in keys} == {
        "pretrain",
        "ct",
        "sft",
        "dpo",
        "nft",
    }
    assert {name for name, keys in asks.items() if "bench" in keys} == {"bench_report", "champion"}


def test_dagster_takes_the_definitions_for_valid(tmp_path):
    environment = os.environ | {
        "DAGSTER_HOME": str(tmp_path),
        "EMBERLINE_HOME": str(tmp_path / "home"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    command = [sys.executable, "-m", "dagster", "definitions", "validate"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr
    assert not (tmp_path / "home").exists(), "loading the code location made a folder"


@pytest.mark.parametrize("selection", ["{0}", "+{0}", "{0}+", "*{0}"])
def test_any_part_of_the_graph_can_be_run_alone(selection):
    definitions = build_definitions(load_profile("demo"), Path("/nonexistent/home"))
    graph = definitions.resolve_asset_graph()
    whole = definitions.resolve_implicit_global_asset_job_def()
    for key in graph.get_all_asset_keys():
        chosen = dg.AssetSelection.from_string(selection.format(key.path[-1])).resolve(graph)
        assert whole.get_subset(asset_selection=chosen).asset_layer.selected_asset_keys == chosen
