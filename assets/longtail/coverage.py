"""Coverage: the number of samples, instructions and neighbours of each category of edits (report 2.4)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from assets.lake.kept import COLLECTED_SAMPLES_PATH, COLLECTED_TEXTS_PATH
from assets.lake.lake import Lake
from assets.lake.paths import COVERAGE_PATH, SYNTHESIZED_SAMPLES, SYNTHESIZED_TEXTS
from assets.lake.schemas import SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from assets.longtail.config import LongtailConfig
from assets.longtail.index import CoverageIndex, IndexedInstruction, new_index
from assets.measured.sentences import sentence_vectors
from models.common.progress import Progress

COVERAGE: Mapping[str, pl.DataType] = {
    "category": pl.String(),  # of REDEdit-Bench, or of the report if that is unknown
    "count": pl.Int64(),  # training samples
    "templates": pl.Int64(),  # distinct kinds of edit
    "instructions": pl.Int64(),  # distinct English texts
    "density": pl.Float64(),  # mean number of neighbours of an instruction, in any category
}


def measure_coverage(
    lake: Lake, config: LongtailConfig, encoder_path: Path | None, progress: Progress
) -> StepOutput:
    """Rebuilds the instruction index and writes `longtail/coverage.parquet`.

    Args:
        lake: holds the collected and synthesized edits and their texts.
        config: location of the index, and the similarity of neighbours.
        encoder_path: folder of the text encoder; None searches the default places.
        progress: called for each batch of texts.
    """
    tables = [lake.read_table(path, SAMPLES) for path in (COLLECTED_SAMPLES_PATH, SYNTHESIZED_SAMPLES)]
    edits = training_edits(pl.concat(tables))
    texts = pl.concat(lake.read_table(path, TEXTS) for path in (COLLECTED_TEXTS_PATH, SYNTHESIZED_TEXTS))
    instructions = distinct_instructions(edits, texts)
    vectors = sentence_vectors(
        lake, [instruction.text for instruction in instructions], encoder_path, progress
    )
    texts_in_order = [vectors[instruction.text] for instruction in instructions]
    array = np.stack(texts_in_order) if instructions else np.zeros((0, 1))
    with new_index(lake, config, array.shape[1]) as index:
        index.upsert(instructions, array, progress)
        table = coverage_table(edits, instructions, array, index, config)
    lake.write_table(COVERAGE_PATH, table, COVERAGE)
    return StepOutput((COVERAGE_PATH,), table.height, {"coverage": table.to_dicts()})


def training_edits(samples: pl.DataFrame) -> pl.DataFrame:
    """Returns the training edits with `place`, the category under which coverage counts them."""
    edits = samples.filter((pl.col("task") == "i2i") & (pl.col("split") == "train"))
    return edits.with_columns(
        place=pl.coalesce("subcategory", "category", pl.lit("unknown")),
        template=pl.col("origin").struct.field("template").fill_null(""),
    )


def counts_by_category(samples: pl.DataFrame) -> dict[str, int]:
    """Returns the number of training edits of each category, by name."""
    return dict(training_edits(samples).group_by("place").len().sort("place").iter_rows())


def distinct_instructions(edits: pl.DataFrame, texts: pl.DataFrame) -> list[IndexedInstruction]:
    """Returns the distinct English texts of edits, sorted, each with the number of samples that have it."""
    english = texts.filter(pl.col("lang") == "en").select("sample_id", "text")
    rows = edits.select("sample_id", "place", "template").join(english, on="sample_id")
    counts = rows.group_by("text", "place", "template").agg(pl.col("sample_id").n_unique())
    return [IndexedInstruction(text, "en", *fields) for text, *fields in sorted(counts.iter_rows())]


def coverage_table(
    edits: pl.DataFrame,
    instructions: list[IndexedInstruction],
    vectors: np.ndarray,
    index: CoverageIndex,
    config: LongtailConfig,
) -> pl.DataFrame:
    """Returns the COVERAGE of training edits, the thinnest category first.

    Args:
        edits: from `training_edits`.
        instructions: their distinct texts.
        vectors: vectors (N, D) of `instructions`.
        index: holds `instructions`.
        config: the similarity of neighbours, and the number of instructions sampled for each category.
    """
    rows = []
    for (category,), part in edits.group_by("place"):
        own = [row for row, text in enumerate(instructions) if text.category == category]
        # Ids are hashes, so the first by id are a random sample that does not depend on the order of texts.
        sampled = sorted(own, key=lambda row: instructions[row].point_id)[: config.exemplars]
        neighbours = index.density(vectors[sampled], config.min_similarity)
        rows.append(
            {
                "category": category,
                "count": part.height,
                "templates": part["template"].n_unique(),
                "instructions": index.count(str(category)),
                "density": round(float(neighbours.mean()), 3) if sampled else 0.0,
            }
        )
    return pl.DataFrame(rows, schema=dict(COVERAGE)).sort("count", "category")
