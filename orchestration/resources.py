"""The Dagster resources: lake, executor, progress, launcher, and the sections of the profile."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.corpora.config import ListedDemoCorpusConfig
from assets.corpora.readers.files import folder_digest
from assets.engine.pool import Executor
from assets.lake.lake import Lake
from assets.training.config import Tracking
from models.common.progress import Progress
from orchestration.home import sqlite_uri
from orchestration.launch import launch_trainer
from orchestration.profile import Profile
from trainers.stages.registry import STAGE_NAMES

LOG_EVERY_SHARE = 0.1


def build_resources(profile: Profile, home: Path, progress: Progress | None) -> Mapping[str, Any]:
    """Returns the resources of a profile by name.

    Each section of the profile is a resource of its own. Only the sections that an asset requires can make
    its step due.
    """
    resources: dict[str, Any] = {
        "lake": Lake(str(home)),
        "engine": Executor(profile.engine.workers),
        "progress": progress or log_progress(),
        "launcher": launch_trainer,
        "tracking": tracking(profile, home),
        "trainer": profile.training.trainer,
        **{stage: getattr(profile.training, stage) for stage in STAGE_NAMES},
        **{f"{stage}_mixture": profile.mixtures.stages[stage] for stage in STAGE_NAMES},
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
        listing = folder_digest(profile.demo.images)
        resources["demo"] = ListedDemoCorpusConfig(**profile.demo.model_dump(), listing=listing)
    return resources


def tracking(profile: Profile, home: Path) -> Tracking:
    """Returns where MLflow stores runs and versions: the server of the profile, else SQLite in the home."""
    experiment, server = profile.tracking.experiment, profile.tracking.uri
    if server:
        return Tracking(server, experiment, profile.tracking.model, artifact_location=None)
    store = home / "mlflow"
    return Tracking(
        sqlite_uri(store / "mlflow.db"),
        experiment,
        profile.tracking.model,
        artifact_location=(store / "artifacts").as_uri(),
    )


def log_progress() -> Progress:
    """Returns a `Progress` that writes a line to Dagster's log for each tenth of the work."""
    logger = dg.get_dagster_logger("emberline")
    last: dict[str, int] = {}

    def report(what: str, done: int, total: int) -> None:
        tenth = int(done / max(total, 1) / LOG_EVERY_SHARE)
        if done == 0 or last.get(what) != tenth:
            last[what] = tenth
            logger.info(f"{what}: {done} of {total}")

    return report
