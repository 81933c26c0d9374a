import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
import yaml
from pydantic import BaseModel
from tiny_run import REPOSITORY

from assets.lake.lake import Lake
from orchestration.definitions import build_definitions
from orchestration.environment import quiet
from orchestration.instance import DAGSTER_YAML, dagster_home, mark_killed_runs_failed, open_instance
from orchestration.profile import load_profile, with_images
from orchestration.resources import build_resources, log_progress, tracking

PROFILE = load_profile("demo")


def test_every_resource_that_an_asset_asks_for_is_there(tmp_path):
    given = build_resources(PROFILE, tmp_path, None)
    definitions = build_definitions(PROFILE, tmp_path)
    for spec in definitions.resolve_all_asset_specs():
        asked = definitions.resolve_assets_def(spec.key).required_resource_keys
        assert asked - {"io_manager"} <= given.keys(), spec.key  # Dagster gives each asset one; none uses it


def test_every_section_of_the_profile_reaches_the_assets(tmp_path):
    given = build_resources(PROFILE, tmp_path, None)
    not_sections = {"name", "description", "engine", "training", "tracking"}
    sections = type(PROFILE).model_fields.keys() - not_sections
    assert {name for name in sections if given.get(name) is not getattr(PROFILE, name)} == set()
    assert isinstance(given["pretrain"], BaseModel)
    assert given["engine"].workers == PROFILE.engine.workers
    assert given["lake"] == Lake(str(tmp_path))


def test_photographs_that_come_or_change_stale_the_corpus_made_of_them(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    profile = with_images(PROFILE, folder)

    def listing():
        return build_resources(profile, tmp_path, None)["demo"].listing

    (folder / "a.png").write_bytes(b"1")
    found = [listing(), listing()]
    (folder / "b.png").write_bytes(b"2")
    found.append(listing())
    os.utime(folder / "a.png", (1, 1))
    found.append(listing())
    assert found[0] == found[1]
    assert len(set(found)) == 3
    folder.rename(tmp_path / "gone")
    assert listing() is None


def test_no_resource_makes_a_folder(tmp_path):
    build_resources(PROFILE, tmp_path / "home", None)
    build_definitions(PROFILE, tmp_path / "home")
    assert not list(tmp_path.iterdir())


def with_server(uri):
    return PROFILE.model_copy(update={"tracking": PROFILE.tracking.model_copy(update={"uri": uri})})


def test_runs_are_kept_in_the_home_unless_a_server_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from-the-environment:5000")
    kept = tracking(PROFILE, tmp_path)
    assert kept.uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert kept.artifact_location == (tmp_path / "mlflow/artifacts").as_uri()
    named = tracking(with_server("http://from-the-profile:5000"), tmp_path)
    assert (named.uri, named.artifact_location) == ("http://from-the-profile:5000", None)


def test_progress_is_logged_once_a_tenth(caplog):
    report = log_progress()
    with caplog.at_level(logging.INFO):
        for done in range(1001):
            report("measuring", done, 1000)
    said = [record.getMessage() for record in caplog.records if "measuring" in record.getMessage()]
    assert len(said) == 11
    assert "measuring: 0 of 1000" in said[0]
    assert "measuring: 1000 of 1000" in said[-1]


def test_progress_of_nothing_is_no_division_by_zero(caplog):
    with caplog.at_level(logging.INFO):
        log_progress()("measuring", 0, 0)
    assert "measuring: 0 of 0" in caplog.text


def test_the_instance_keeps_everything_in_the_home_and_reports_to_nobody(tmp_path):
    with open_instance(tmp_path) as instance:
        assert Path(instance.root_directory) == tmp_path / "dagster"
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        assert instance.event_log_storage.get_pool_config().pool_granularity is not None
    assert os.environ["DAGSTER_DISABLE_TELEMETRY"] == "yes"


def test_settings_of_an_older_version_are_replaced_and_current_ones_left_alone(tmp_path):
    settings = dagster_home(tmp_path) / "dagster.yaml"
    written = settings.stat().st_mtime_ns
    dagster_home(tmp_path)
    assert settings.stat().st_mtime_ns == written
    settings.write_text("telemetry: {enabled: true}\n")
    dagster_home(tmp_path)
    assert yaml.safe_load(settings.read_text()) == yaml.safe_load(DAGSTER_YAML)


STEP = """
import sys, time
from pathlib import Path
import dagster as dg
from orchestration.instance import BY_COMMAND_LINE, open_instance

@dg.asset(pool="trainer")
def stage() -> None:
    print("in the step", flush=True)
    time.sleep(600)

with open_instance(Path(sys.argv[1])) as instance:
    dg.materialize([stage], instance=instance, tags=BY_COMMAND_LINE if sys.argv[2] == "tagged" else {})
"""


@pytest.fixture
def killed_run(tmp_path):
    """Kills a run in the middle of a step that holds the one place of its pool; returns the run's id."""

    def kill(tag):
        command = [sys.executable, "-c", STEP, str(tmp_path), tag]
        with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
            with open_instance(tmp_path) as instance:
                while not instance.event_log_storage.get_concurrency_run_ids():
                    assert process.poll() is None
                    time.sleep(0.1)
                [run_id] = instance.event_log_storage.get_concurrency_run_ids()
            process.kill()
        return run_id

    return kill


def test_a_killed_run_gives_back_its_place_in_the_pool(killed_run, tmp_path):
    @dg.asset(pool="trainer")
    def stage() -> None:
        pass

    run_id = killed_run("tagged")
    with open_instance(tmp_path) as instance:
        mark_killed_runs_failed(instance)
        assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE
        assert not instance.event_log_storage.get_concurrency_run_ids()
        assert dg.materialize([stage], instance=instance).success


def test_a_run_that_another_process_may_still_work_on_is_left_alone(killed_run, tmp_path):
    run_id = killed_run("untagged")
    with open_instance(tmp_path) as instance:
        mark_killed_runs_failed(instance)
        assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.STARTED
        assert instance.event_log_storage.get_concurrency_run_ids() == {run_id}


def test_deepspeed_does_not_warn_of_a_missing_gpu_but_errors_are_heard(caplog):
    quiet()
    logger = logging.getLogger("DeepSpeed")
    logger.addHandler(caplog.handler)
    logger.warning("Setting accelerator to CPU.")
    logger.error("The optimizer is broken.")
    logger.removeHandler(caplog.handler)
    assert "accelerator" not in caplog.text
    assert "The optimizer is broken." in caplog.text


@pytest.mark.parametrize("job", ["data", "train", "bench", "all"])
def test_jobs_resolve_with_the_resources(job, tmp_path):
    assert isinstance(build_definitions(PROFILE, tmp_path).resolve_job_def(job), dg.JobDefinition)
