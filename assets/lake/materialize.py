"""How an asset materializes a step: runs it once, and attaches its counts, tables and preview."""

import base64
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import dagster as dg
from pydantic import BaseModel

from assets.lake.lake import Lake
from assets.lake.paths import batch_path
from assets.lake.run_step import NO_HOOKS, StepHooks, run_step
from assets.lake.shapes import schema_differences
from assets.lake.steps import (
    Manifest,
    Step,
    StepOutput,
    handed_on,
    manifest_path,
    preview_path,
)
from models.common.fields import identity_of, limits_of

ingest_batches = dg.DynamicPartitionsDefinition(name="ingest_batch")
"""A partition is an ingest batch. The executor distributes the shards of a batch, not Dagster."""

PARTITIONED = ("raw_images", "raw_samples", "measured")
"""The assets with one partition for each ingest batch. All others read every batch."""

MAX_PREVIEW_BYTES = 100_000
"""Previews are stored in the event log; larger ones slow down the UI."""

SHOWN_FILES = 20
"""Files in the metadata of an asset. Large assets have thousands; the manifest lists all of them."""

SHOWN_DIGITS = 5
"""Significant digits of numbers in metadata tables. The files hold all digits."""

FORCE_TAG = "emberline/force"
"""Run tag of `--force`: names of assets or steps, separated by commas, that run although finished."""


@runtime_checkable
class PerCorpus(Protocol):
    """A section of the profile of which a batch reads only what concerns its corpus."""

    def of_corpus(self, name: str) -> BaseModel:
        """Returns the section without the other corpora."""
        ...


READ_FILES, READ_FIELDS = "read_files", "read_fields"
"""Metadata keys of an asset: the files that it reads of other assets, and the fields of sections."""


def reads(
    files: Mapping[str, Sequence[str]] = MappingProxyType({}),
    fields: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Mapping[str, Any]:
    """Returns asset metadata that says what an asset reads. A change of anything else makes no step due.

    Args:
        files: patterns of files such as `measures/pdq@*`, by the asset that lists them in its
            manifest; see `Manifest.paths`. Of an asset that is not named, every file is read.
        fields: names of fields by section. Of a section that is not named, every field is read.
    """
    return {
        READ_FILES: {asset: list(patterns) for asset, patterns in files.items()},
        READ_FIELDS: {section: list(names) for section, names in fields.items()},
    }


def materialize(
    context: dg.AssetExecutionContext,
    lake: Lake,
    build: Callable[[], StepOutput],
    hooks: StepHooks = NO_HOOKS,
) -> dg.MaterializeResult:
    """Runs the step of an asset, unless it has finished and nothing that it depends on has changed.

    Args:
        context: context of the asset.
        lake: holds the step's manifest and files.
        build: writes the step's files.
        hooks: see `assets.lake.run_step.StepHooks`.
    """
    step = step_of(context.assets_def, context.asset_key, context.resources.original_resource_dict)
    manifest = run_step(lake, step, build, hooks, forced=is_forced(context, step))
    _log_reuse(context, [manifest])
    return dg.MaterializeResult(
        metadata=metadata(lake, [manifest]), data_version=dg.DataVersion(manifest.content)
    )


def materialize_batches(
    context: dg.AssetExecutionContext, lake: Lake, build: Callable[[str], StepOutput]
) -> dg.MaterializeResult:
    """Runs the step of an asset for each ingest batch. A batch reads the same batch of its inputs."""
    resources = context.resources.original_resource_dict
    manifests = []
    for batch in context.partition_keys:
        step = step_of(context.assets_def, context.asset_key, resources, batch)
        forced = is_forced(context, step)
        manifests.append(run_step(lake, step, lambda batch=batch: build(batch), forced=forced))
    _log_reuse(context, manifests)
    return dg.MaterializeResult(metadata=metadata(lake, manifests))


def is_forced(context: dg.AssetExecutionContext, step: Step) -> bool:
    """Returns whether the run forces a step: by its name, or by that of its asset for all its batches."""
    names = context.run.tags.get(FORCE_TAG, "").split(",")
    return step.name in names or step.name.partition("/")[0] in names


def schema_check(lake: Lake, asset: str) -> dg.AssetCheckResult:
    """Returns whether every table that an asset hands on has the columns and types of its schema."""
    differences = schema_differences(lake, handed_on(lake, asset))
    return dg.AssetCheckResult(
        passed=not differences, metadata={"tables": dg.MetadataValue.json(differences)}
    )


def step_of(
    assets_def: dg.AssetsDefinition,
    key: dg.AssetKey,
    resources: Mapping[str, Any],
    batch: str | None = None,
) -> Step:
    """Returns the step of an asset, or of one ingest batch of it.

    Version and inputs are those that the asset declares. The config consists of the identity fields of the
    profile sections that the asset requires as resources. `reads` narrows both. A batch of the first
    partitioned asset also depends on its files, and on the entry of its corpus alone. Nothing else makes it
    due.
    """
    spec = assets_def.specs_by_key[key]
    required = {name: resources.get(name) for name in sorted(assets_def.required_resource_keys)}
    sections = {name: section for name, section in required.items() if isinstance(section, BaseModel)}
    listed: dict[str, Any] = {}
    if batch is not None and spec.key.path[-1] == PARTITIONED[0]:
        record = resources["lake"].read_checked(batch_path(batch)) or {"corpus": "", "files": None}
        listed = {"batch": {"files": record["files"]}}
        sections = {
            name: section.of_corpus(record["corpus"]) if isinstance(section, PerCorpus) else section
            for name, section in sections.items()
        }
    files = _declared(spec, READ_FILES)
    return Step(
        name=_of_batch(spec.key.path[-1], batch),
        version=spec.code_version or "0",
        inputs={
            _of_batch(dep.asset_key.path[-1], batch): tuple(files.get(dep.asset_key.path[-1], ()))
            for dep in sorted(spec.deps, key=lambda dep: dep.asset_key)
        },
        config=_identity(sections, _declared(spec, READ_FIELDS)) | listed,
        limits={
            limit: value
            for name, section in sections.items()
            for limit, value in limits_of(section, (name,)).items()
        },
    )


def _declared(spec: dg.AssetSpec, key: str) -> Mapping[str, Sequence[str]]:
    declared = spec.metadata.get(key, {})
    return getattr(declared, "value", declared)  # Dagster wraps what it stores


def _identity(sections: Mapping[str, BaseModel], read: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    identity = {name: identity_of(section) for name, section in sections.items()}
    for name, fields in read.items():
        identity[name] = {field: value for field, value in identity[name].items() if field in fields}
    return identity


def metadata(lake: Lake, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Returns the metadata of one step, or of several partitions: counts, timing, facts, a preview."""
    last = manifests[-1]
    files = [path for manifest in manifests for path in manifest.files]
    entries: dict[str, Any] = {
        "dagster/row_count": sum(manifest.rows for manifest in manifests),
        "seconds": round(sum(manifest.seconds for manifest in manifests), 2),
        "reused": all(manifest.reused for manifest in manifests),
        "files": len(files),
        "first_files": dg.MetadataValue.json([lake.uri(path) for path in files[:SHOWN_FILES]]),
        "manifest": lake.uri(manifest_path(last.name)),
    }
    entries |= {name: _value(fact) for name, fact in _facts(manifests).items()}
    preview = preview_path(last.name)
    if lake.exists(preview) and lake.size(preview) <= MAX_PREVIEW_BYTES:
        image = base64.b64encode(lake.read_bytes(preview)).decode()
        entries["preview"] = dg.MetadataValue.md(f"![{last.name}](data:image/jpeg;base64,{image})")
    return entries


def _facts(manifests: Sequence[Manifest]) -> Mapping[str, Any]:
    """Returns the facts of a step. For several batches, lists are joined and other facts are by batch."""
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
        context.log.info(f"Kept {', '.join(reused)}: nothing that it depends on has changed.")


def _value(fact: Any) -> Any:
    """Returns a fact as Dagster metadata: a table of rows, JSON for deeper values, else the plain value."""
    if fact is None:
        return dg.MetadataValue.null()
    rows = _rows(fact)
    if rows:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        records = [dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in rows]
        return dg.MetadataValue.table(records)
    return dg.MetadataValue.json(fact) if isinstance(fact, (list, dict)) else fact


def _rows(fact: Any) -> Sequence[Mapping[str, Any]]:
    """Returns the rows of a list of rows, of rows by name or of values by name; none for other facts."""
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
