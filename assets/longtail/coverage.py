"""Coverage: how many samples, wordings and neighbours each category of edits has (report 2.4)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from assets.lake.lake import Lake
from assets.lake.paths import COVERAGE_PATH
from assets.lake.schemas import SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from assets.longtail.config import REFILLED, LongtailConfig
from assets.longtail.index import CoverageIndex, Instruction, new_index
from assets.measured.sentences import sentence_vectors
from models.common.progress import Progress

COVERAGE: Mapping[str, pl.DataType] = {
    "category": pl.String(),  # REDEdit's, or the report's where that is unknown
    "count": pl.Int64(),  # training samples
    "templates": pl.Int64(),  # distinct kinds of edit
    "instructions": pl.Int64(),  # distinct English texts
    "density": pl.Float64(),  # mean neighbours of an instruction, of any category
}


def measure_coverage(
    lake: Lake, config: LongtailConfig, encoder_path: Path | None, progress: Progress
) -> StepOutput:
    """Builds the instruction index anew and writes `longtail/coverage.parquet`.

    Args:
        lake: holds samples and texts.
        config: where the index is, and what counts as a neighbour.
        encoder_path: where the text encoder lies, None to look in the usual places.
        progress: told of each batch of texts.
    """
    samples, texts = _tables(lake, "samples", SAMPLES), _tables(lake, "texts", TEXTS)
    edits = training_edits(samples)
    instructions = distinct_instructions(edits, texts)
    vectors = sentence_vectors(lake, [each.text for each in instructions], encoder_path, progress)
    array = np.stack([vectors[each.text] for each in instructions]) if instructions else np.zeros((0, 1))
    with new_index(lake, config, array.shape[1]) as index:
        index.upsert(instructions, array, progress)
        table = coverage_table(edits, instructions, array, index, config)
    lake.write_table(COVERAGE_PATH, table, COVERAGE)
    return StepOutput((COVERAGE_PATH,), table.height, {"coverage": table.to_dicts()})


def _tables(lake: Lake, folder: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Returns all tables of a folder but the refill's: it answers to this coverage."""
    paths = [path for path in lake.list(folder, ".parquet") if path != f"{folder}/{REFILLED}.parquet"]
    tables = [lake.read_table(path, schema) for path in paths]
    return pl.concat(tables) if tables else pl.DataFrame(schema=dict(schema))


def training_edits(samples: pl.DataFrame) -> pl.DataFrame:
    """Returns the edits of the training split with `place`, the category that coverage counts them under."""
    edits = samples.filter((pl.col("task") == "i2i") & (pl.col("split") == "train"))
    return edits.with_columns(
        place=pl.coalesce("subcategory", "category", pl.lit("unknown")),
        template=pl.col("origin").struct.field("template").fill_null(""),
    )


def counts_by_category(samples: pl.DataFrame) -> dict[str, int]:
    """Returns the number of training edits of each category, by name."""
    return dict(training_edits(samples).group_by("place").len().sort("place").iter_rows())


def distinct_instructions(edits: pl.DataFrame, texts: pl.DataFrame) -> list[Instruction]:
    """Returns the distinct English texts of edits in order, each with the number of samples that carry it."""
    said = texts.filter(pl.col("lang") == "en").select("sample_id", "text")
    rows = edits.select("sample_id", "place", "template").join(said, on="sample_id")
    found = rows.group_by("text", "place", "template").agg(pl.col("sample_id").n_unique())
    return [Instruction(text, "en", *where) for text, *where in sorted(found.iter_rows())]


def coverage_table(
    edits: pl.DataFrame,
    instructions: list[Instruction],
    vectors: np.ndarray,
    index: CoverageIndex,
    config: LongtailConfig,
) -> pl.DataFrame:
    """Returns the COVERAGE of training edits, the thinnest category first.

    Args:
        edits: from `training_edits`.
        instructions: their distinct texts.
        vectors: (N, D), of `instructions`.
        index: holds `instructions`.
        config: what a neighbour is, and how many instructions of a category are asked for theirs.
    """
    rows = []
    for (category,), part in edits.group_by("place"):
        own = [row for row, each in enumerate(instructions) if each.category == category]
        # Ids are hashes, so the first by id are a fair draw that does not depend on how the texts begin.
        asked = sorted(own, key=lambda row: instructions[row].point_id)[: config.exemplars]
        neighbours = index.density(vectors[asked], config.min_similarity)
        rows.append(
            {
                "category": category,
                "count": part.height,
                "templates": part["template"].n_unique(),
                "instructions": index.count(str(category)),
                "density": round(float(neighbours.mean()), 3) if asked else 0.0,
            }
        )
    return pl.DataFrame(rows, schema=dict(COVERAGE)).sort("count", "category")
