"""Finds or creates MLflow experiments by name."""

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient


def experiment_id(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    """Returns the id of the experiment with this name, and creates it if it does not exist.

    Args:
        client: client of the tracking server.
        name: name of the experiment.
        artifact_location: where a new experiment stores files; None uses the default of the server.

    Raises:
        MlflowException: the server cannot create it.
    """
    existing = client.get_experiment_by_name(name)
    if existing is not None:
        return existing.experiment_id
    try:
        return client.create_experiment(name, artifact_location)
    except MlflowException:  # another process may have created it in between
        existing = client.get_experiment_by_name(name)
        if existing is None:
            raise
        return existing.experiment_id
