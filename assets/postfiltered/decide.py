"""The joint screening by alignment and quality (report 2.6): one verdict a sample."""

from pathlib import Path

import polars as pl

from assets.dedup.pairs import edits_of, exempt
from assets.dedup.thumbnails import Thumbnails
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, VERDICTS
from assets.lake.steps import StepOutput
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.score import score_edits
from assets.reports.contact_sheet import contact_sheet
from models.progress import Progress

STAGE = "postfiltered"
VERDICTS_PATH = "verdicts/postfiltered.parquet"
PREVIEWED = 12
QUALITY = {"id": pl.String(), "quality": pl.Float64()}


def postfilter(
    lake: Lake,
    config: PostfilteredConfig,
    *,
    encoder_path: Path | None,
    quality: pl.DataFrame | None,
    progress: Progress,
) -> StepOutput:
    """Writes `verdicts/postfiltered.parquet`, after scoring the edits that were not scored before.

    Args:
        lake: holds samples, texts, the trained evaluator and the thumbnails of all images.
        config: thresholds and exemptions.
        encoder_path: where the text encoder lies, None to look in the usual places.
        quality: a measured quality of images (id, quality), higher is better; None where none is configured.
        progress: told of each shard of targets.
    """
    scores = score_edits(lake, encoder_path, progress)
    samples = lake.read_tables("samples", SAMPLES)
    measured = pl.DataFrame(schema=QUALITY) if quality is None else quality
    verdicts = decide(samples, scores, measured, config)
    lake.write_table(VERDICTS_PATH, verdicts, VERDICTS)
    quantiles = {f"p{percent:02d}": scores["alignment"].quantile(percent / 100) for percent in (1, 5, 25, 50)}
    facts = {
        "kept": int(verdicts["kept"].sum()),
        "dropped": dict(verdicts.drop_nulls("rule").group_by("rule").len().sort("rule").iter_rows()),
        "scored": scores["alignment"].count(),
        "alignment": quantiles,
    }
    return StepOutput((VERDICTS_PATH,), verdicts.height, facts, _preview(lake, samples, scores))


def _preview(lake: Lake, samples: pl.DataFrame, scores: pl.DataFrame) -> bytes | None:
    """Returns the edits with the lowest alignment, each source beside its target."""
    worst = scores.drop_nulls("alignment").sort("alignment", "id").head(PREVIEWED)
    shown = worst.join(edits_of(samples), left_on="id", right_on="sample_id", maintain_order="left")
    thumbnails = Thumbnails(lake, lake.list("images", ".parquet"), [*shown["source_id"], *shown["target_id"]])
    rows = []
    for row in shown.iter_rows(named=True):
        pictures = thumbnails.pictures[thumbnails.rows([row["source_id"], row["target_id"]])]
        label = f"{row['alignment']:.3f} {row['origin']['template'] or row['subcategory'] or ''}"
        rows.append((label, list(pictures)))
    return contact_sheet(rows)


def decide(
    samples: pl.DataFrame, alignment: pl.DataFrame, quality: pl.DataFrame, config: PostfilteredConfig
) -> pl.DataFrame:
    """Returns a VERDICTS row for each sample: kept if neither rule finds it wanting.

    What was not measured is not judged: a missing or null value fails no rule.

    Args:
        samples: SAMPLES.
        alignment: id of a sample, alignment.
        quality: id of an image, quality of its pixels; without rows where no measure of it is configured.
        config: both thresholds and the exemptions from each.
    """
    judged = samples.join(alignment.select(sample_id="id", alignment="alignment"), on="sample_id", how="left")
    judged = judged.join(quality.select(target_id="id", quality="quality"), on="target_id", how="left")
    misaligned = _fails("alignment", config.min_alignment, config.alignment_exempt)
    poor = _fails("quality", config.min_quality, config.quality_exempt)
    return (
        judged.select(
            id="sample_id",
            stage=pl.lit(STAGE),
            kept=~(misaligned | poor),
            rule=pl.when(misaligned).then(pl.lit("alignment")).when(poor).then(pl.lit("quality")),
            value=pl.when(misaligned).then("alignment").when(poor).then("quality"),
            threshold=pl.when(misaligned)
            .then(pl.lit(config.min_alignment))
            .when(poor)
            .then(pl.lit(config.min_quality)),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in VERDICTS.items())
        .sort("id")
    )


def _fails(column: str, threshold: float | None, exemptions: tuple[str, ...]) -> pl.Expr:
    if threshold is None:
        return pl.lit(value=False)
    return (pl.col(column) < threshold).fill_null(value=False) & ~exempt(exemptions)
