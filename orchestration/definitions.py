"""The Dagster definitions: every asset and check of the lineage, with the resources of one profile."""

import logging
import os
import warnings
from importlib import import_module
from pathlib import Path

import dagster as dg

from models.common.progress import Progress
from orchestration.automation import jobs, new_batches, nightly_data
from orchestration.environment import HOME, IMAGES, PROFILE, quiet
from orchestration.home import open_home
from orchestration.profile import Profile, default_home, load_profile, with_images
from orchestration.resources import build_resources

ASSET_MODULES = (
    "corpora",
    "measured",
    "dedup",
    "filtered",
    "captioned",
    "synthesized",
    "longtail",
    "postfiltered",
    "cached",
    "training",
    "reports",
)
"""The packages with assets, in the order of the lineage; each has an `assets` module."""


def build_definitions(
    profile: Profile, home: Path, progress: Progress | None = None, follower: logging.Handler | None = None
) -> dg.Definitions:
    """Returns the definitions of a profile.

    Args:
        profile: sizes, thresholds and backends. The graph is the same for all profiles.
        home: folder that holds all state of the profile.
        progress: called with the progress of an asset; None writes it to Dagster's log.
        follower: logging handler that receives the events of a run, such as a console.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # backfill_policy; constraints.txt pins Dagster
        modules = [import_module(f"assets.{name}.assets") for name in ASSET_MODULES]
    return dg.Definitions(
        assets=dg.load_assets_from_modules(modules),
        asset_checks=dg.load_asset_checks_from_modules(modules),
        jobs=jobs,
        sensors=[new_batches],
        schedules=[nightly_data],
        resources=build_resources(profile, home, progress),
        executor=dg.in_process_executor,  # a process per step would spend ten seconds on imports in each
        loggers={"console": _follow(follower)} if follower is not None else None,
    )


def _follow(follower: logging.Handler) -> dg.LoggerDefinition:
    def start(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("emberline", logging.DEBUG)
        logger.addHandler(follower)
        return logger

    return dg.LoggerDefinition(start)


@dg.definitions
def defs() -> dg.Definitions:
    """Returns the definitions for the profile and the home in the environment variables."""
    quiet()
    profile = load_profile(os.environ.get(PROFILE, "demo"))
    images = os.environ.get(IMAGES)
    if images:
        profile = with_images(profile, Path(images))
    home = Path(os.environ.get(HOME) or default_home(profile)).absolute()
    open_home(home)
    return build_definitions(profile, home)
