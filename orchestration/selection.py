"""Resolves the assets of a command: a job by name, or a selection in Dagster's syntax."""

import re
import warnings
from collections.abc import Sequence

import dagster as dg

from models.common.checks import did_you_mean
from orchestration.automation import jobs


class SelectionError(ValueError):
    """A selection is not in Dagster's syntax, or selects no asset."""


def parse_selection(text: str) -> dg.AssetSelection:
    """Returns the selection that a text such as `deduped+` or `group:training` describes.

    Raises:
        SelectionError: the text is empty, or not in Dagster's syntax.
    """
    if not text.strip():
        raise SelectionError("The selection is empty. Name an asset, or leave the option out to run all.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # of groups; constraints.txt pins Dagster
            return dg.AssetSelection.from_string(text)
    except dg.DagsterError as error:
        raise SelectionError(
            f"{text!r} is not a valid selection. Write the name of an asset. A + after or before it adds "
            "its direct neighbours downstream or upstream, as in 'deduped+'. Combine terms as in "
            """'key:"deduped"+ and not group:training'."""
        ) from error


def job_selection(name: str) -> dg.AssetSelection:
    """Returns the selection of a job."""
    return next(job.selection for job in jobs if job.name == name)


def selected_assets(selection: dg.AssetSelection, definitions: dg.Definitions) -> set[dg.AssetKey]:
    """Returns the assets that a selection selects, at least one.

    Raises:
        SelectionError: it selects no asset; the message lists all assets.
    """
    graph = definitions.resolve_asset_graph()
    try:
        chosen = set(selection.resolve(graph))
    except dg.DagsterInvalidSubsetError:
        chosen = set()
    if not chosen:
        known = [key.path[-1] for key in graph.toposorted_asset_keys]
        unknown = [name for name in re.findall(r'key:"([^"]*)"', str(selection)) if name not in known]
        hint = did_you_mean(unknown[0], known) if unknown else f"There are {', '.join(known)}."
        what = f"There is no asset {unknown[0]}" if unknown else f"{selection} selects no asset"
        raise SelectionError(f"{what}. {hint}")
    return chosen


def check_steps(names: Sequence[str], definitions: dg.Definitions) -> None:
    """Checks that each name is that of an asset, or of one of its ingest batches.

    Raises:
        SelectionError: there is no such asset.
    """
    known = [key.path[-1] for key in definitions.resolve_asset_graph().toposorted_asset_keys]
    for name in names:
        asset = name.partition("/")[0]
        if asset not in known:
            raise SelectionError(f"There is no asset {asset}. {did_you_mean(asset, known)}")


def job_assets(definitions: dg.Definitions, name: str) -> list[str]:
    """Returns the names of a job's assets in the order of the lineage."""
    chosen = selected_assets(job_selection(name), definitions)
    ordered = definitions.resolve_asset_graph().toposorted_asset_keys
    return [key.path[-1] for key in ordered if key in chosen]
