"""The figures of a report as an MLflow run, the numbers those of report.json to the last digit."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from models.registry.experiments import experiment_id

FIGURES = ("value", "low", "high", "spread", "coverage", "missing_as_worst")
"""Of each model, measure and view; what is null in the report is no metric."""

NOT_IN_NAMES = re.compile(r"[^\w\-. /]")
"""MLflow refuses other characters, so they become underscores."""

PARAMETERS = ("suite", "lang", "samples", "protocol", "seed", "bootstraps", "repeats", "protocol_sha256")
METRICS_PER_CALL = 1000
MAX_PARAMETER = 500
PAGE = "index.html"


def log_report(
    figures: Mapping[str, Any],
    folder: Path,
    *,
    tracking_uri: str,
    experiment: str,
    artifact_location: str | None = None,
) -> str:
    """Returns the id of a new MLflow run that holds a report: figures as metrics, files as artifacts.

    Args:
        figures: from `benchmarks.report.report.report_figures`.
        folder: of the report's files.
        tracking_uri: of MLflow.
        experiment: made if it is missing.
        artifact_location: where a new experiment keeps files; None leaves it to the server.

    Raises:
        MlflowException: the server refuses.
    """
    client = MlflowClient(tracking_uri)
    made_in = experiment_id(client, experiment, artifact_location)
    run = client.create_run(made_in, run_name=f"bench {figures['suite']}")
    run_id, status = run.info.run_id, "FAILED"
    try:
        metrics = [Metric(name, value, run.info.start_time, 0) for name, value in metrics_of(figures)]
        for start in range(0, len(metrics), METRICS_PER_CALL):
            client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_CALL])
        client.log_batch(run_id, params=[Param(name, value) for name, value in _parameters(figures).items()])
        for name in (PAGE, *figures["files"]):
            client.log_artifact(run_id, str(folder / name))
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return run_id


def metrics_of(figures: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yields every number of a report by a name such as `mine/score/official/value`."""
    for row in figures["figures"]:
        for name in FIGURES:
            if row[name] is not None:
                yield _name(row["model"], row["measure"], row["view"], name), row[name]
    for row in figures["tasks"]:
        if row["value"] is not None:
            yield _name(row["model"], row["measure"], row["view"], "task", row["task"]), row["value"]


def _name(*parts: str) -> str:
    return "/".join(NOT_IN_NAMES.sub("_", part).replace("/", "_") for part in parts)


def _parameters(figures: Mapping[str, Any]) -> dict[str, str]:
    judge = figures["judge"] or {}
    told = {
        **{name: figures.get(name) for name in PARAMETERS},
        **{f"judge.{name}": value for name, value in judge.items()},
    }
    return {name: str(value)[:MAX_PARAMETER] for name, value in told.items() if value is not None}
