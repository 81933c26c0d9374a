import json

import pytest
from toy_run import stage_run, train_here

from trainers.metrics_file import read_metrics
from trainers.tracking import flat_parameters


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow store, with its tables made."""
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    MlflowClient(uri).search_experiments()
    return uri


def tracked_run(toy_data, output, uri):
    run = stage_run(toy_data, "pretrain", output)
    tracking = {
        "uri": uri,
        "experiment": "toy",
        "artifact_location": None,
        "tags": {"dagster.run_id": "d1"},
    }
    return type(run).model_validate({**run.model_dump(), "tracking": tracking})


@pytest.fixture(scope="module")
def resumed(one_rank, toy_data, tmp_path_factory, server):
    """The MLflow run of a stage that was stopped and resumed, and its output folder."""
    from mlflow.tracking import MlflowClient

    output = tmp_path_factory.mktemp("tracked")
    run = tracked_run(toy_data, output, server)
    client = MlflowClient(server)
    assert not train_here(run, stop_at=3)
    run_id = (output / "mlflow_run_id").read_text()
    status = client.get_run(run_id).info.status
    assert train_here(run)
    return client, run_id, status, output


def test_an_interrupted_run_is_resumed_as_the_same_mlflow_run(resumed):
    client, run_id, status, output = resumed
    assert status == "KILLED"
    assert client.get_run(run_id).info.status == "FINISHED"
    assert json.loads((output / "result.json").read_text())["mlflow_run_id"] == run_id
    assert len(client.search_runs([client.get_run(run_id).info.experiment_id])) == 1


def test_mlflow_has_every_step_once_with_the_figures_of_the_file(resumed):
    client, run_id, _, output = resumed
    history = client.get_metric_history(run_id, "loss")
    lines = read_metrics(output / "metrics.jsonl")
    expected = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert len(history) == len(expected) == 6
    assert {metric.step: metric.value for metric in history} == expected
    validated = client.get_metric_history(run_id, "validation_loss")
    assert sorted(metric.step for metric in validated) == [0, 3, 6]


def test_mlflow_knows_settings_data_and_descent(resumed):
    client, run_id, _, _ = resumed
    run = client.get_run(run_id)
    assert run.data.params["learning_rate"] == "0.01"
    assert run.data.params["loss_weight.floor"] == "0.1"
    assert run.data.params["editor.heads"] == "2"
    assert run.data.tags["dagster.run_id"] == "d1"
    datasets = {entry.dataset.name: entry.dataset.digest for entry in run.inputs.dataset_inputs}
    assert set(datasets) == {"mixture", "text_cache", "latent_cache"}
    assert all(len(digest) == 32 for digest in datasets.values())


def test_a_server_that_fails_does_not_end_the_training(one_rank, toy_data, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = tracked_run(toy_data, tmp_path, "http://127.0.0.1:9")  # the discard port: nobody answers
    assert train_here(run)
    assert json.loads((tmp_path / "result.json").read_text())["mlflow_run_id"] is None
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 7


def test_dagster_receives_progress(one_rank, toy_data, tmp_path, monkeypatch):
    from dagster_pipes import encode_param

    messages = tmp_path / "messages"
    context = {
        "asset_keys": ["pretrain"],
        "code_version_by_asset_key": {"pretrain": None},
        "provenance_by_asset_key": {"pretrain": None},
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "run_id": "d1",
        "job_name": None,
        "retry_number": 0,
        "extras": {},
    }
    monkeypatch.setenv("DAGSTER_PIPES_CONTEXT", encode_param({"data": context}))
    monkeypatch.setenv("DAGSTER_PIPES_MESSAGES", encode_param({"path": str(messages)}))
    assert train_here(stage_run(toy_data, "pretrain", tmp_path / "out"))
    sent = [json.loads(line) for line in messages.read_text().splitlines()]
    kinds = [message["method"] for message in sent]
    assert kinds[0] == "opened"
    assert kinds[-1] == "closed"
    custom = [
        message["params"]["payload"] for message in sent if message["method"] == "report_custom_message"
    ]
    assert custom[-1]["stage"] == "pretrain"
    assert custom[-1]["step"] == custom[-1]["steps"] == 6
    assert {"loss", "gradient_norm", "samples_per_second", "validation_loss"} <= set(custom[-1])


def test_settings_are_flat_text(toy_data, tmp_path):
    flat = flat_parameters(stage_run(toy_data, "dpo", tmp_path, tmp_path))
    assert flat["pairs.expert_share"] == "0.5"
    assert flat["resolution_shift"] == "None"
    assert all(isinstance(value, str) for value in flat.values())
