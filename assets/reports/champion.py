"""Promotes the best version of the benchmark to `champion`, if it is better than the present one."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assets.lake.lake import Lake
from assets.lake.paths import BENCH, BENCH_SUITE, CODEC
from assets.lake.steps import Manifest, StepOutput, require_manifest
from assets.reports.bench import stage_versions
from assets.training.config import Tracking
from assets.training.register import RegistryError
from benchmarks.config import BenchConfig
from benchmarks.scoring.promotion import PAIRED_SCORES, Decision, VersionReport, decide
from models.common.progress import Progress

CHAMPION_PATH = "reports/champion.json"


class UnscoredChampionError(RuntimeError):
    """The version that is champion cannot be scored on this suite, so nothing can be compared with it.

    Attributes:
        version: its number.
    """

    def __init__(self, name: str, version: str, error: Exception) -> None:
        self.version = version
        reason = (str(error) or type(error).__name__).partition("\n")[0]
        super().__init__(
            f"Version {version} of {name} is the champion and cannot be scored on this suite: {reason}. "
            "Nothing was promoted. Go back with `emberline rollback`, give the alias to another version, or "
            "choose another tracking.model."
        )


def promote_champion(
    lake: Lake,
    tracking: Tracking,
    config: BenchConfig,
    *,
    failed_checks: Sequence[str],
    progress: Progress,
) -> StepOutput:
    """Decides on the best version of the benchmark, records the decision, and then moves the alias.

    Writes `reports/champion.json`.

    Args:
        lake: holds the benchmark.
        tracking: MLflow server with the versions.
        config: seed and sampling steps of the benchmark.
        failed_checks: names of the checks of the lineage whose last evaluation failed.
        progress: called while another home's champion is scored.

    Raises:
        UnscoredChampionError: the present champion cannot be scored on this suite.
        RegistryError: MLflow does not answer, or refuses.
    """
    from mlflow.exceptions import MlflowException

    from models.registry.registry import CHAMPION, promote, set_challenger, tag_version, version_of_alias

    where: Mapping[str, Any] = {"name": tracking.model, "tracking_uri": tracking.uri}
    bench = require_manifest(lake, "bench_report")
    versions = stage_versions(lake)
    best, second = bench.facts["champion"], bench.facts["challenger"]
    try:
        current = version_of_alias(CHAMPION, **where)
        candidate = _report_of_stage(lake, bench, best, config, tracking)
        champion = None
        if current is not None:
            champion = _report_of_champion(lake, bench, current.number, config, tracking, progress)
        decision = decide(candidate, champion, failed_checks=failed_checks, seed=config.seed)
        tag_version(candidate.version, _tags(bench, best, decision), **where)
        # The server may be shared: another home may have promoted a version since the alias was read.
        if decision.promoted and version_of_alias(CHAMPION, **where) == current:
            promote(candidate.version, **where)
        named = version_of_alias(CHAMPION, **where)
        if named is not None and named.number in versions.values():
            set_challenger(versions.get(second) if named.number == versions[best] else None, **where)
    except MlflowException as error:
        raise RegistryError(tracking.uri, error) from error
    facts = {
        "name": tracking.model,
        "versions": versions,
        "candidate": {"stage": best, "version": candidate.version},
        "decision": _shown(decision),
        "champion": _named(named.number if named else None, versions),
        "challenger": {"stage": second, "version": versions.get(second)},
    }
    lake.write_json(CHAMPION_PATH, facts)
    return StepOutput((CHAMPION_PATH,), len(versions), facts)


def alias_problem(tracking: Tracking, manifest: Manifest) -> str | None:
    """Returns how the alias `champion` in the registry differs from a manifest's claim; None if it does not.

    Args:
        tracking: the MLflow server.
        manifest: of the step `champion`.
    """
    from mlflow.exceptions import MlflowException

    from models.registry.registry import CHAMPION, version_of_alias

    claimed = manifest.facts["champion"]["version"]
    if manifest.facts["name"] != tracking.model:
        return f"the model is called {tracking.model}, not {manifest.facts['name']}"
    try:
        current = version_of_alias(CHAMPION, name=tracking.model, tracking_uri=tracking.uri)
    except (MlflowException, OSError) as error:
        return str(RegistryError(tracking.uri, error))
    found = None if current is None else current.number
    if found == claimed:
        return None
    return f"the alias champion of {tracking.model} names version {found or '(none)'}, not {claimed}"


def _report_of_stage(
    lake: Lake, bench: Manifest, stage: str, config: BenchConfig, tracking: Tracking
) -> VersionReport:
    from models.registry.registry import PIPELINE_SHA256, PROMOTED, version_tags

    number = stage_versions(lake)[stage]
    tags = version_tags(number, name=tracking.model, tracking_uri=tracking.uri)
    rows = lake.read_table(f"{BENCH}/scores.parquet").filter(pl.col("editor") == stage)
    return _report(lake, bench, number, tags[PIPELINE_SHA256], rows, config, was_champion=PROMOTED in tags)


def _report_of_champion(
    lake: Lake, bench: Manifest, number: str, config: BenchConfig, tracking: Tracking, progress: Progress
) -> VersionReport:
    """Returns the report of the present champion, scoring it on this suite if it is not of this home."""
    from benchmarks.editors.run import EditFailedError
    from benchmarks.suites.item import SuiteError
    from models.registry.registry import PIPELINE_SHA256, version_tags

    tags = version_tags(number, name=tracking.model, tracking_uri=tracking.uri)
    stages = [stage for stage, version in stage_versions(lake).items() if version == number]
    if stages:
        rows = lake.read_table(f"{BENCH}/scores.parquet").filter(pl.col("editor") == stages[0])
    else:
        try:
            rows = _scored(lake, number, config, tracking, progress)
        except (SuiteError, EditFailedError, OSError, ValueError, RuntimeError, LookupError) as error:
            raise UnscoredChampionError(tracking.model, number, error) from error
    return _report(lake, bench, number, tags.get(PIPELINE_SHA256, ""), rows, config)


def _scored(
    lake: Lake, number: str, config: BenchConfig, tracking: Tracking, progress: Progress
) -> pl.DataFrame:
    """Returns the scores of a version of another home. Its outputs are kept like those of our stages."""
    from benchmarks.editors.pipeline import PipelineEditor
    from benchmarks.editors.run import read_output, run_editors
    from benchmarks.scoring.known_truth import score_against_truth
    from benchmarks.suites.plain import load_plain
    from models.codecs.patch_codec import PatchCodec
    from models.registry.registry import folder_sha256, version_folder

    suite = lake.local_path(BENCH_SUITE)
    items = load_plain(suite, suite, "en").items
    folder = version_folder(number, name=tracking.model, tracking_uri=tracking.uri)
    editor = PipelineEditor(
        folder, identity=folder_sha256(folder), seed=config.seed, steps=config.steps, size="source"
    )
    name = f"version-{number}"
    outputs = run_editors(
        items,
        {name: editor},
        folder=lake.local_path(f"{BENCH}/outputs"),
        batch=config.batch,
        progress=progress,
    )
    pixels = {sample_id: read_output(path) for sample_id, path in outputs[name].paths.items()}
    codec = PatchCodec.from_pretrained(str(lake.local_path(CODEC)))
    return score_against_truth(name, items, pixels, codec=codec, evaluator=None)


def _report(
    lake: Lake,
    bench: Manifest,
    number: str,
    weights: str,
    rows: pl.DataFrame,
    config: BenchConfig,
    *,
    was_champion: bool = False,
) -> VersionReport:
    from benchmarks.suites.plain import load_plain

    suite = lake.local_path(BENCH_SUITE)
    clusters = {
        item.sample_id: item.cluster or item.sample_id for item in load_plain(suite, suite, "en").items
    }
    scores = rows.with_columns(cluster=pl.col("sample_id").replace_strict(clusters))
    return VersionReport(
        version=number,
        weights=weights,
        suite=bench.content_of([f"{BENCH_SUITE}/*"]),
        # Errors are differences in the codec's latents, so another codec is another ruler.
        settings={"seed": config.seed, "steps": config.steps, "codec": bench.content_of([f"{CODEC}/*"])},
        scores=scores.select(*PAIRED_SCORES),
        was_champion=was_champion,
    )


def _tags(bench: Manifest, stage: str, decision: Decision) -> dict[str, str]:
    figures = next(row for row in bench.facts["editors"] if row["editor"] == stage)
    return {
        "bench.report": bench.content,
        "bench.model_error": f"{figures['model_error']:.6f}",
        "bench.of_copying": f"{figures['of_copying']:.4f}",
        "bench.share_beating_copying": f"{figures['share_beating_copying']:.4f}",
        "promotion.decision": "promoted" if decision.promoted else "not promoted",
        "promotion.reasons": "; ".join(decision.reasons),
    }


def _shown(decision: Decision) -> dict[str, Any]:
    over_champion = decision.over_champion
    return {
        "promoted": decision.promoted,
        "reasons": list(decision.reasons),
        "over_copying": list(decision.over_copying),
        "over_champion": None if over_champion is None else list(over_champion),
    }


def _named(number: str | None, versions: Mapping[str, str]) -> dict[str, str | None]:
    """Returns a version with the stage of this home that it is; no stage if it is of another home."""
    stage = next((stage for stage, version in versions.items() if version == number), None)
    return {"stage": stage, "version": number}
