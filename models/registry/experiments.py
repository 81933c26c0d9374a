"""MLflow experiments by name."""

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient


def experiment_id(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    """Returns the id of the experiment of this name, made if there is none.

    Args:
        client: of the tracking server.
        name: of the experiment.
        artifact_location: where a new experiment keeps files; None leaves it to the server.

    Raises:
        MlflowException: the server refuses to make it.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    try:
        return client.create_experiment(name, artifact_location)
    except MlflowException:  # another process made it in between
        made = client.get_experiment_by_name(name)
        if made is None:
            raise
        return made.experiment_id
