"""Dagster's view of a step: an asset runs it once, and shows counts, tables and pictures of what it made."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel

from assets.lake.lake import Lake
from assets.lake.steps import Manifest, Step, StepOutput, preview_path, run_step

MAX_PREVIEW_BYTES = 100_000
"""Previews are stored in the event log: larger ones slow the UI down."""


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


def materialize_partitions(
    context: dg.AssetExecutionContext, lake: Lake, asset: str, build: Callable[[str], StepOutput]
) -> list[Manifest]:
    """Runs one step for each partition of the run; a partition reads the same partition of its inputs."""
    resources = context.resources.original_resource_dict
    key = dg.AssetKey(asset)
    manifests = []
    for partition in context.partition_keys:
        step = step_of(context.assets_def, key, resources, partition)
        manifests.append(run_step(lake, step, lambda partition=partition: build(partition)))
    _log_reuse(context, manifests)
    return manifests


def step_of(
    assets_def: dg.AssetsDefinition,
    key: dg.AssetKey,
    resources: Mapping[str, Any],
    partition: str | None = None,
) -> Step:
    """Returns the step that stands behind an asset, or behind one partition of it.

    Its version and inputs are those that the asset declares; its configuration is every profile section
    among the resources that the asset asks for. So a section that an asset doesn't ask for can't stale it.
    """
    spec = assets_def.specs_by_key[key]
    suffix = f"/{partition}" if partition else ""
    sections = {name: resources[name] for name in sorted(assets_def.required_resource_keys)}
    return Step(
        name=spec.key.path[-1] + suffix,
        version=spec.code_version or "0",
        inputs=tuple(sorted(dep.asset_key.path[-1] + suffix for dep in spec.deps)),
        config={
            name: section.model_dump(mode="json")
            for name, section in sections.items()
            if isinstance(section, BaseModel)
        },
    )


def metadata(lake: Lake, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Returns the metadata of one step, or of several partitions: counts, timing, facts, a preview."""
    last = manifests[-1]
    shown: dict[str, Any] = {
        "dagster/row_count": sum(manifest.rows for manifest in manifests),
        "seconds": round(sum(manifest.seconds for manifest in manifests), 2),
        "reused": all(manifest.reused for manifest in manifests),
        "files": dg.MetadataValue.json([lake.uri(path) for manifest in manifests for path in manifest.files]),
    }
    shown |= {name: _value(fact) for name, fact in last.facts.items()}
    preview = preview_path(last.name)
    if lake.exists(preview) and lake.size(preview) <= MAX_PREVIEW_BYTES:
        picture = base64.b64encode(lake.read_bytes(preview)).decode()
        shown["preview"] = dg.MetadataValue.md(f"![{last.name}](data:image/jpeg;base64,{picture})")
    return shown


def _log_reuse(context: dg.AssetExecutionContext, manifests: Sequence[Manifest]) -> None:
    reused = [manifest.name for manifest in manifests if manifest.reused]
    if reused:
        context.log.info(f"Nothing that {', '.join(reused)} depends on has changed; kept as it was.")


def _value(fact: Any) -> Any:
    if fact is None:
        return dg.MetadataValue.null()
    if isinstance(fact, list) and fact and all(isinstance(row, dict) for row in fact):
        return dg.MetadataValue.table([dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in fact])
    return dg.MetadataValue.json(fact) if isinstance(fact, (list, dict)) else fact


def _cell(value: Any) -> str | int | float | bool:
    return value if isinstance(value, (str, int, float, bool)) else "" if value is None else str(value)
