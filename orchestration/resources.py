"""What assets are given: the lake, the engine, ways to report and to launch, and the profile's sections."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.corpora.config import ListedDemoCorpusConfig
from assets.corpora.readers.folder import folder_listing
from assets.engine.pool import Engine
from assets.lake.lake import Lake
from assets.training.config import STAGES, Tracking
from models.common.progress import Progress
from orchestration.launch import launch_trainer
from orchestration.profile import Profile
from orchestration.profile_errors import ProfileError
from orchestration.profile_text import PASSWORD

LOG_EVERY_SHARE = 0.1


def build_resources(profile: Profile, home: Path, progress: Progress | None) -> Mapping[str, Any]:
    """Returns the resources of a profile by name.

    A section of the profile is a resource of its own, and what an asset asks for is what can stale it.
    """
    resources: dict[str, Any] = {
        "lake": Lake(str(home)),
        "engine": Engine(profile.engine.workers),
        "progress": progress or log_progress(),
        "launcher": launch_trainer,
        "tracking": tracking(profile, home),
        "trainer": profile.training.trainer,
        **{stage: getattr(profile.training, stage) for stage in STAGES},
    }
    sections = (
        "demo",
        "corpora",
        "backends",
        "descriptor",
        "dedup",
        "filtered",
        "captioned",
        "synthesized",
        "longtail",
        "pairs",
        "evaluator_training",
        "postfiltered",
        "mixtures",
        "encode",
        "bench",
    )
    resources |= {name: getattr(profile, name) for name in sections}
    if profile.demo is not None and profile.demo.images is not None:
        listing = folder_listing(profile.demo.images)
        resources["demo"] = ListedDemoCorpusConfig(**profile.demo.model_dump(), listing=listing)
    return resources


def tracking(profile: Profile, home: Path) -> Tracking:
    """Returns where MLflow keeps runs and versions: the profile's server, else SQLite in the home.

    Raises:
        ProfileError: the environment names a server with a password in its address.
    """
    experiment = profile.tracking.experiment
    server = profile.tracking.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if server and PASSWORD.search(server):
        raise ProfileError(
            "MLFLOW_TRACKING_URI holds a password, which would stand in every run's files. Put it into "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    if server:
        return Tracking(server, experiment, artifact_location=None)
    store = home / "mlflow"
    return Tracking(
        f"sqlite:///{store / 'mlflow.db'}", experiment, artifact_location=(store / "artifacts").as_uri()
    )


def log_progress() -> Progress:
    """Returns a progress that writes a line to Dagster's log for every tenth of the work."""
    logger = dg.get_dagster_logger("emberline")
    last: dict[str, int] = {}

    def report(what: str, done: int, total: int) -> None:
        tenth = int(done / max(total, 1) / LOG_EVERY_SHARE)
        if done == 0 or last.get(what) != tenth:
            last[what] = tenth
            logger.info(f"{what}: {done} of {total}")

    return report
