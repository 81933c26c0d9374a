"""Dagster's view of a step: an asset runs it once, and shows counts, tables and pictures of what it made."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel

from assets.lake.lake import Lake
from assets.lake.shapes import misshapen_tables
from assets.lake.steps import (
    Manifest,
    Step,
    StepOutput,
    manifest_path,
    preview_path,
    read_manifests,
    require_manifest,
    run_step,
)

ingest_batches = dg.DynamicPartitionsDefinition(name="ingest_batch")
"""A partition is an ingest batch; shards inside a batch are the engine's work, not Dagster's."""

PARTITIONED = ("raw_images", "raw_samples", "measured")
"""The assets that have one partition an ingest batch; all others read every batch there is."""

MAX_PREVIEW_BYTES = 100_000
"""Previews are stored in the event log: larger ones slow the UI down."""

SHOWN_FILES = 20
"""A table or an asset of millions of rows has thousands of files; the manifest names them all."""

SHOWN_DIGITS = 5
"""Of a number in a table; the files hold them all."""


def materialize(
    context: dg.AssetExecutionContext, lake: Lake, build: Callable[[], StepOutput]
) -> dg.MaterializeResult:
    """Runs the asset's step unless nothing that it depends on has changed since it last finished."""
    step = step_of(context.assets_def, context.asset_key, context.resources.original_resource_dict)
    manifest = run_step(lake, step, build)
    _log_reuse(context, [manifest])
    return dg.MaterializeResult(
        metadata=metadata(lake, [manifest]), data_version=dg.DataVersion(manifest.content)
    )


def materialize_batches(
    context: dg.AssetExecutionContext, lake: Lake, build: Callable[[str], StepOutput]
) -> dg.MaterializeResult:
    """Runs the asset's step for each ingest batch of the run; a batch reads the same batch of its inputs."""
    resources = context.resources.original_resource_dict
    manifests = []
    for batch in context.partition_keys:
        step = step_of(context.assets_def, context.asset_key, resources, batch)
        manifests.append(run_step(lake, step, lambda batch=batch: build(batch)))
    _log_reuse(context, manifests)
    return dg.MaterializeResult(metadata=metadata(lake, manifests))


def schema_check(lake: Lake) -> dg.AssetCheckResult:
    """Returns whether every table there is has the columns and types that its schema names."""
    misshapen = misshapen_tables(lake)
    return dg.AssetCheckResult(passed=not misshapen, metadata={"tables": dg.MetadataValue.json(misshapen)})


def ingested_shards(lake: Lake, batch: str | None = None) -> list[str]:
    """Returns the image shards of one ingested batch or of all, and of nothing that was synthesized."""
    batches = read_manifests(lake, f"raw_images/{batch}" if batch else "raw_images")
    return [path for batch in batches for path in batch.files if path.startswith("images/")]


def made_shards(lake: Lake) -> list[str]:
    """Returns the image shards of targets that the production engine made."""
    steps = (require_manifest(lake, name) for name in ("synthesized", "longtail"))
    return [path for step in steps for path in step.files if path.startswith("images/")]


def step_of(
    assets_def: dg.AssetsDefinition,
    key: dg.AssetKey,
    resources: Mapping[str, Any],
    batch: str | None = None,
) -> Step:
    """Returns the step that stands behind an asset, or behind one ingest batch of it.

    Its version and inputs are those that the asset declares; its configuration is every profile section
    among the resources that the asset asks for. So a section that an asset doesn't ask for can't stale it.
    """
    spec = assets_def.specs_by_key[key]
    inputs = (dep.asset_key.path[-1] for dep in spec.deps)
    asked = {name: resources.get(name) for name in sorted(assets_def.required_resource_keys)}
    return Step(
        name=_of_batch(spec.key.path[-1], batch),
        version=spec.code_version or "0",
        inputs=tuple(sorted(_of_batch(name, batch) for name in inputs)),
        config={
            name: section.model_dump(mode="json")
            for name, section in asked.items()
            if isinstance(section, BaseModel)
        },
    )


def metadata(lake: Lake, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Returns the metadata of one step, or of several partitions: counts, timing, facts, a preview."""
    last = manifests[-1]
    files = [path for manifest in manifests for path in manifest.files]
    shown: dict[str, Any] = {
        "dagster/row_count": sum(manifest.rows for manifest in manifests),
        "seconds": round(sum(manifest.seconds for manifest in manifests), 2),
        "reused": all(manifest.reused for manifest in manifests),
        "files": len(files),
        "first_files": dg.MetadataValue.json([lake.uri(path) for path in files[:SHOWN_FILES]]),
        "manifest": lake.uri(manifest_path(last.name)),
    }
    shown |= {name: _value(fact) for name, fact in _facts(manifests).items()}
    preview = preview_path(last.name)
    if lake.exists(preview) and lake.size(preview) <= MAX_PREVIEW_BYTES:
        picture = base64.b64encode(lake.read_bytes(preview)).decode()
        shown["preview"] = dg.MetadataValue.md(f"![{last.name}](data:image/jpeg;base64,{picture})")
    return shown


def _facts(manifests: Sequence[Manifest]) -> Mapping[str, Any]:
    """Returns the facts of a step; of several batches, their lists joined, and each other fact by batch."""
    if len(manifests) == 1:
        return manifests[0].facts
    joined: dict[str, Any] = {}
    for name, first in manifests[0].facts.items():
        facts = {manifest.name.split("/")[-1]: manifest.facts.get(name) for manifest in manifests}
        listed = isinstance(first, list)
        joined[name] = [row for rows in facts.values() for row in rows or ()] if listed else facts
    return joined


def _of_batch(asset: str, batch: str | None) -> str:
    return f"{asset}/{batch}" if batch and asset in PARTITIONED else asset


def _log_reuse(context: dg.AssetExecutionContext, manifests: Sequence[Manifest]) -> None:
    reused = [manifest.name for manifest in manifests if manifest.reused]
    if reused:
        context.log.info(f"Nothing that {', '.join(reused)} depends on has changed; kept as it was.")


def _value(fact: Any) -> Any:
    """Returns a fact as Dagster shows it best: a table of what is many, JSON of what is nested deeper."""
    if fact is None:
        return dg.MetadataValue.null()
    rows = _rows(fact)
    if rows:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        records = [dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in rows]
        return dg.MetadataValue.table(records)
    return dg.MetadataValue.json(fact) if isinstance(fact, (list, dict)) else fact


def _rows(fact: Any) -> Sequence[Mapping[str, Any]]:
    """Returns the rows of a list of rows, of named rows or of named values; none of anything else."""
    if isinstance(fact, list) and all(isinstance(row, dict) for row in fact):
        return fact
    if not isinstance(fact, dict):
        return []
    if all(_is_flat(row) for row in fact.values()):
        return [{"name": name, **row} for name, row in fact.items()]
    return [{"name": name, "value": value} for name, value in fact.items()] if _is_flat(fact) else []


def _is_flat(fact: Any) -> bool:
    return isinstance(fact, dict) and not any(isinstance(value, (dict, list)) for value in fact.values())


def _cell(value: Any) -> str | int | float | bool:
    if isinstance(value, float):
        return float(f"{value:.{SHOWN_DIGITS}g}")
    return value if isinstance(value, (str, int, bool)) else "" if value is None else str(value)
