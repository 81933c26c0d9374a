"""Screening by alignment (report 2.6): one verdict for each sample.

The report also screens by quality; the quality of targets is judged by the rules of `filtered`.
"""

from pathlib import Path

import polars as pl

from assets.dedup.pairs import is_exempt
from assets.lake.contact_sheet import contact_sheet
from assets.lake.kept import (
    KEPT_PAIR_TEXTS_PATH,
    KEPT_PAIRS_PATH,
    PAIR_IMAGES_PATH,
    PAIR_SAMPLES_PATH,
    image_shards,
    read_pairs,
    without_dropped,
)
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED_PAIRS, FILTERED_PAIRS, POSTFILTERED
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS
from assets.lake.steps import StepOutput
from assets.measured.pairs import edits_of
from assets.measured.thumbnail import ThumbnailArray
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.score import score_edits
from models.common.progress import Progress

STAGE = "postfiltered"
PREVIEW_ROWS = 12


def postfilter(
    lake: Lake,
    config: PostfilteredConfig,
    *,
    encoder_path: Path | None,
    progress: Progress,
) -> StepOutput:
    """Scores the edits that have no score yet and writes `verdicts/postfiltered.parquet`.

    Args:
        lake: holds samples, texts, the trained evaluator and the thumbnails of all images.
        config: thresholds and exemptions.
        encoder_path: folder of the text encoder; None searches the default places.
        progress: called for each shard of targets.
    """
    scores = score_edits(lake, encoder_path, progress)
    samples = lake.read_table(PAIR_SAMPLES_PATH, SAMPLES)
    verdicts = alignment_verdicts(samples, scores, config)
    lake.write_table(POSTFILTERED, verdicts, VERDICTS)
    quantiles = {f"p{percent:02d}": scores["alignment"].quantile(percent / 100) for percent in (1, 5, 25, 50)}
    facts = {
        "kept": int(verdicts["kept"].sum()),
        "dropped": dict(verdicts.drop_nulls("rule").group_by("rule").len().sort("rule").iter_rows()),
        "scored": scores["alignment"].count(),
        "alignment": quantiles,
    }
    files = (POSTFILTERED, *write_kept_pairs(lake, verdicts))
    return StepOutput(files, verdicts.height, facts, _preview(lake, samples, scores))


def write_kept_pairs(lake: Lake, verdicts: pl.DataFrame) -> tuple[str, str]:
    """Writes the pairs that no verdict drops and their texts; returns the paths of both tables.

    Args:
        lake: holds all pairs, and the verdicts of the filters and of deduplication on them.
        verdicts: verdicts of the evaluator.
    """
    samples, texts = read_pairs(lake)
    others = [lake.read_table(path, VERDICTS) for path in (FILTERED_PAIRS, DEDUPED_PAIRS)]
    kept = without_dropped(samples, pl.concat([*others, verdicts]))
    lake.write_table(KEPT_PAIRS_PATH, kept, SAMPLES)
    own = texts.join(kept, on="sample_id", how="semi").unique("text_id", keep="first").sort("text_id")
    lake.write_table(KEPT_PAIR_TEXTS_PATH, own, TEXTS)
    return KEPT_PAIRS_PATH, KEPT_PAIR_TEXTS_PATH


def _preview(lake: Lake, samples: pl.DataFrame, scores: pl.DataFrame) -> bytes | None:
    """Returns a contact sheet of the edits with the lowest alignment, each source beside its target."""
    worst = scores.drop_nulls("alignment").sort("alignment", "id").head(PREVIEW_ROWS)
    edits = worst.join(edits_of(samples), left_on="id", right_on="sample_id", maintain_order="left")
    thumbnails = ThumbnailArray(
        lake, image_shards(lake, PAIR_IMAGES_PATH), [*edits["source_id"], *edits["target_id"]]
    )
    rows = []
    for row in edits.iter_rows(named=True):
        images = thumbnails.images[thumbnails.rows([row["source_id"], row["target_id"]])]
        label = f"{row['alignment']:.3f} {row['origin']['template'] or row['subcategory'] or ''}"
        rows.append((label, list(images)))
    return contact_sheet(rows)


def alignment_verdicts(
    samples: pl.DataFrame, alignment: pl.DataFrame, config: PostfilteredConfig
) -> pl.DataFrame:
    """Returns a VERDICTS row for each sample, which is dropped if its alignment is below the threshold.

    A sample with a missing or null score is kept.

    Args:
        samples: SAMPLES.
        alignment: `id` of a sample and `alignment`.
        config: the threshold and the samples exempt from it.
    """
    scored = samples.join(alignment.select(sample_id="id", alignment="alignment"), on="sample_id", how="left")
    below = (pl.col("alignment") < config.min_alignment).fill_null(value=False)
    misaligned = below & ~is_exempt(config.alignment_exempt)
    return (
        scored.select(
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
