"""Writes the figures of a run from rank 0: to metrics.jsonl, to MLflow, and to Dagster through Pipes."""

import logging
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from models.common.files import write_atomically
from trainers.config import StageRun
from trainers.metrics_file import MetricsFile, read_metrics
from trainers.outputs import METRICS, MLFLOW_RUN_ID

REPORT_SECONDS = 5.0
FLUSH_SECONDS = 5
METRICS_PER_CALL = 1000
PIPES_VARIABLE = "DAGSTER_PIPES_CONTEXT"
REPORTED = ("loss", "gradient_norm", "samples_per_second", "validation_loss", "validation_edit_error")

logger = logging.getLogger("emberline.train")


class Tracker:
    """Receives the figures of each step and passes them on, without waiting for a server.

    As a context manager it ends the MLflow run with the status FINISHED, KILLED (interrupted, to be resumed)
    or FAILED.
    """

    def __init__(self, run: StageRun, *, resumed_at: int | None, digests: dict[str, str]) -> None:
        self._run = run
        self._file = MetricsFile(run.output / METRICS, resumed_at)
        self._stack = ExitStack()
        self._pipes = self._open_pipes()
        self._mlflow = MlflowRun(run, digests=digests) if run.tracking is not None else None
        self._status = "FAILED"
        self._reported = 0.0
        self._latest: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        if self._mlflow is not None:
            self._mlflow.close(self._status)
        self._stack.close()

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Passes on the figures of a step."""
        self._file.append(step, figures)
        self._latest |= figures
        if self._mlflow is not None:
            self._mlflow.log(step, figures)
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS or step == self._run.config.steps:
            self._reported = now
            self._report(step)

    def mlflow_run_id(self) -> str | None:
        """Returns the id of the MLflow run, after waiting for the server; None if the run is not tracked."""
        return self._mlflow.wait_for_id() if self._mlflow is not None else None

    def finished(self) -> None:
        """Marks the run as finished."""
        self._status = "FINISHED"

    def interrupted(self) -> None:
        """Marks the run as one that will be resumed."""
        self._status = "KILLED"

    def _report(self, step: int) -> None:
        config = self._run.config
        figures = {name: self._latest[name] for name in REPORTED if name in self._latest}
        text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        logger.info("%s: step %d of %d, %s", config.stage, step, config.steps, text)
        if self._pipes is not None:
            message = {"stage": config.stage, "step": step, "steps": config.steps, **figures}
            self._pipes.report_custom_message(message)

    def _open_pipes(self) -> Any:
        if PIPES_VARIABLE not in os.environ:
            return None
        from dagster_pipes import open_dagster_pipes

        return self._stack.enter_context(open_dagster_pipes())


class MlflowRun:
    """The MLflow run of a stage run; a resumed run continues it.

    A separate thread calls the server, because MLflow's client retries for a long time if the server is lost.
    """

    def __init__(self, run: StageRun, *, digests: dict[str, str]) -> None:
        assert run.tracking is not None
        self._run, self._tracking, self._digests = run, run.tracking, digests
        self._queue: queue.Queue[tuple[int, int, dict[str, float]] | str] = queue.Queue()
        self._opened = threading.Event()
        self._run_id: str | None = None
        self._thread = threading.Thread(target=self._send_or_log, name="mlflow", daemon=True)
        self._thread.start()

    def wait_for_id(self) -> str | None:
        """Returns the id of the MLflow run; None if the server has failed."""
        self._opened.wait()
        return self._run_id

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Queues the figures of a step for the thread."""
        self._queue.put((step, int(time.time() * 1000), figures))

    def close(self, status: str) -> None:
        """Waits until all figures are sent, and sets the status of the run."""
        self._queue.put(status)
        self._thread.join()

    def _send_or_log(self) -> None:
        try:
            self._send()
        except Exception:  # must not end the training run
            logger.exception(
                "MLflow at %s failed. The run continues without it; all figures are in metrics.jsonl.",
                self._tracking.uri,
            )
        finally:
            self._opened.set()

    def _send(self) -> None:
        from mlflow.entities import Metric
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self._tracking.uri)
        run_id, logged = self._open(client)
        self._run_id = run_id
        self._opened.set()
        monitor = SystemMetricsMonitor(
            run_id,
            sampling_interval=FLUSH_SECONDS,
            resume_logging=logged >= 0,
            tracking_uri=self._tracking.uri,
        )
        monitor.start()
        status: str | None = None
        while status is None:
            entries, status = self._drain()
            metrics = [
                Metric(name, value, stamp, step)
                for step, stamp, figures in entries
                if step > logged
                for name, value in figures.items()
            ]
            for start in range(0, len(metrics), METRICS_PER_CALL):
                client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_CALL])
        monitor.finish()
        client.set_terminated(run_id, status)

    def _drain(self) -> tuple[list[tuple[int, int, dict[str, float]]], str | None]:
        """Returns the entries of the next FLUSH_SECONDS, and the final status if it has arrived."""
        entries, end = [], time.monotonic() + FLUSH_SECONDS
        while (left := end - time.monotonic()) > 0:
            try:
                entry = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(entry, str):
                return entries, entry
            entries.append(entry)
        return entries, None

    def _open(self, client: Any) -> tuple[str, int]:
        """Returns the id of the run and the last step that the server knows, -1 if it knows none."""
        run_id = _known_run(client, self._run)
        if run_id is None:
            lines = read_metrics(self._run.output / METRICS)  # of steps before this process
            run_id = _create_run(client, self._run, self._digests)
            _log_lines(client, run_id, lines)
            return run_id, max((line["step"] for line in lines), default=-1)
        client.update_run(run_id, status="RUNNING")
        history = client.get_metric_history(run_id, "validation_loss") + client.get_metric_history(
            run_id, "loss"
        )
        return run_id, max((metric.step for metric in history), default=-1)


def recorded_run(run: StageRun, digests: Mapping[str, str]) -> str:
    """Returns the id of the MLflow run of a finished stage, after recording it on a server that lacks it.

    Args:
        run: the stage. Its figures are in `metrics.jsonl`.
        digests: from `trainers.identity.input_digests`.

    Raises:
        MlflowException: the server does not answer, or refuses.
    """
    from mlflow.tracking import MlflowClient

    assert run.tracking is not None
    client = MlflowClient(run.tracking.uri)
    known = _known_run(client, run)
    if known is not None:
        return known
    run_id = _create_run(client, run, digests)
    _log_lines(client, run_id, read_metrics(run.output / METRICS))
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _known_run(client: Any, run: StageRun) -> str | None:
    """Returns the id of the stage's run if this server has it; None on another server, or without a run."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    id_path = run.output / MLFLOW_RUN_ID
    if not id_path.exists():
        return None
    try:
        found = client.get_run(id_path.read_text().strip())
        experiment = client.get_experiment(found.info.experiment_id)
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
        raise
    assert run.tracking is not None
    is_ours = found.info.lifecycle_stage == "active" and experiment.name == run.tracking.experiment
    return found.info.run_id if is_ours else None


def _create_run(client: Any, run: StageRun, digests: Mapping[str, str]) -> str:
    """Returns the id of a new run with the settings and inputs of the stage."""
    from mlflow.entities import Param

    from models.registry.experiments import experiment_id

    tracking = run.tracking
    assert tracking is not None
    experiment = experiment_id(client, tracking.experiment, tracking.artifact_location)
    tags = {"stage": run.config.stage, **tracking.tags}
    run_id = client.create_run(experiment, tags=tags, run_name=run.config.stage).info.run_id
    client.log_batch(run_id, params=[Param(name, value) for name, value in flat_parameters(run).items()])
    client.log_inputs(run_id, datasets=dataset_inputs(run, digests))
    write_atomically(run.output / MLFLOW_RUN_ID, run_id.encode())
    return run_id


def _log_lines(client: Any, run_id: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Logs lines of `metrics.jsonl`, all with the present time, because the lines have none."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [
        Metric(name, value, now, line["step"])
        for line in lines
        for name, value in line.items()
        if name != "step" and value is not None
    ]
    for start in range(0, len(metrics), METRICS_PER_CALL):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_CALL])


def flat_parameters(run: StageRun) -> dict[str, str]:
    """Returns the settings of a run by dotted name, as text."""
    flat: dict[str, str] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                visit(f"{prefix}.{name}" if prefix else name, inner)
        else:
            flat[prefix] = str(value)

    visit("", {**run.config.model_dump(mode="json"), "editor": run.model_dump(mode="json")["editor"]})
    return flat


def dataset_inputs(run: StageRun, digests: Mapping[str, str]) -> list[Any]:
    """Returns the inputs of the run as MLflow dataset inputs, each with its path in the home and digest."""
    import json

    from mlflow.entities import Dataset, DatasetInput, InputTag

    paths: dict[str, Path | None] = {
        "mixture": run.mixture,
        "text_cache": run.text_cache,
        "latent_cache": run.latent_cache,
        "init_from": run.init_from,
    }
    return [
        DatasetInput(
            dataset=Dataset(
                name=name,
                digest=digests[name][:32],
                source_type="local",
                source=json.dumps({"uri": _inside_home(run, path)}),
            ),
            tags=[InputTag("mlflow.data.context", "training")],
        )
        for name, path in paths.items()
        if path is not None
    ]


def _inside_home(run: StageRun, path: Path) -> str:
    """Returns a path without the folder of the home, which may be moved; `training/<stage>` lies in it."""
    home = run.output.parent.parent
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.name
