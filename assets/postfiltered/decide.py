"""The screening by alignment (report 2.6): one verdict a sample.

The report screens jointly by quality; that of targets is measured and judged by the rules of `filtered`.
"""

from pathlib import Path

import polars as pl

from assets.dedup.pairs import exempt
from assets.lake.contact_sheet import contact_sheet
from assets.lake.lake import Lake
from assets.lake.paths import POSTFILTERED
from assets.lake.schemas import SAMPLES, VERDICTS
from assets.lake.steps import StepOutput
from assets.measured.pairs import edits_of
from assets.measured.thumbnail import Thumbnails
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.score import score_edits
from models.common.progress import Progress

STAGE = "postfiltered"
PREVIEWED = 12


def postfilter(
    lake: Lake,
    config: PostfilteredConfig,
    *,
    encoder_path: Path | None,
    progress: Progress,
) -> StepOutput:
    """Writes `verdicts/postfiltered.parquet`, after scoring the edits that were not scored before.

    Args:
        lake: holds samples, texts, the trained evaluator and the thumbnails of all images.
        config: thresholds and exemptions.
        encoder_path: where the text encoder lies, None to look in the usual places.
        progress: told of each shard of targets.
    """
    scores = score_edits(lake, encoder_path, progress)
    samples = lake.read_tables("samples", SAMPLES)
    verdicts = decide(samples, scores, config)
    lake.write_table(POSTFILTERED, verdicts, VERDICTS)
    quantiles = {f"p{percent:02d}": scores["alignment"].quantile(percent / 100) for percent in (1, 5, 25, 50)}
    facts = {
        "kept": int(verdicts["kept"].sum()),
        "dropped": dict(verdicts.drop_nulls("rule").group_by("rule").len().sort("rule").iter_rows()),
        "scored": scores["alignment"].count(),
        "alignment": quantiles,
    }
    return StepOutput((POSTFILTERED,), verdicts.height, facts, _preview(lake, samples, scores))


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


def decide(samples: pl.DataFrame, alignment: pl.DataFrame, config: PostfilteredConfig) -> pl.DataFrame:
    """Returns a VERDICTS row for each sample: kept unless the evaluator finds its edit misaligned.

    What was not scored is not judged: a missing or null score fails nothing.

    Args:
        samples: SAMPLES.
        alignment: id of a sample, alignment.
        config: the threshold and what is exempt from it.
    """
    judged = samples.join(alignment.select(sample_id="id", alignment="alignment"), on="sample_id", how="left")
    below = (pl.col("alignment") < config.min_alignment).fill_null(value=False)
    misaligned = below & ~exempt(config.alignment_exempt)
    return (
        judged.select(
            id="sample_id",
            stage=pl.lit(STAGE),
            kept=~misaligned,
            rule=pl.when(misaligned).then(pl.lit("alignment")),
            value=pl.when(misaligned).then("alignment"),
            threshold=pl.when(misaligned).then(pl.lit(config.min_alignment)),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in VERDICTS.items())
        .sort("id")
    )
