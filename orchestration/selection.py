"""Which assets a command means: one of the jobs, or a selection in Dagster's syntax."""

import warnings

import dagster as dg

from orchestration.automation import jobs


class SelectionError(ValueError):
    """A selection that is not in Dagster's syntax, or that means no asset of the lineage."""


def parse_selection(text: str) -> dg.AssetSelection:
    """Returns the selection of a text such as `deduped+` or `group:training`.

    Raises:
        SelectionError: it is not in Dagster's syntax.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # of groups; constraints.txt pins Dagster
            return dg.AssetSelection.from_string(text)
    except dg.DagsterError as error:
        raise SelectionError(
            f"{text!r} is not a selection. Write the name of an asset, with a + for what comes before or "
            """after it as in 'deduped+', or several joined as in 'key:"deduped"+ and not group:training'."""
        ) from error


def job_selection(name: str) -> dg.AssetSelection:
    """Returns the assets of a job by its name."""
    return next(job.selection for job in jobs if job.name == name)


def selected_assets(selection: dg.AssetSelection, definitions: dg.Definitions) -> set[dg.AssetKey]:
    """Returns the assets that a selection means, at least one.

    Raises:
        SelectionError: it means no asset of the lineage; the message lists those that there are.
    """
    graph = definitions.resolve_asset_graph()
    try:
        chosen = set(selection.resolve(graph))
    except dg.DagsterInvalidSubsetError:
        chosen = set()
    if not chosen:
        known = ", ".join(key.path[-1] for key in graph.toposorted_asset_keys)
        raise SelectionError(f"{selection} selects no asset. There are {known}.")
    return chosen


def job_assets(definitions: dg.Definitions, name: str) -> list[str]:
    """Returns the names of a job's assets in the order of the lineage."""
    chosen = selected_assets(job_selection(name), definitions)
    ordered = definitions.resolve_asset_graph().toposorted_asset_keys
    return [key.path[-1] for key in ordered if key in chosen]
