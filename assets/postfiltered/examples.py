"""Arrays for the evaluator: the images and sentence vectors of rows of its training set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.measured.thumbnail import ThumbnailArray
from assets.postfiltered.training_set import Edit, relation_of

if TYPE_CHECKING:
    from trainers.small.evaluator import EvaluatorExamples


def evaluator_examples(
    rows: pl.DataFrame, thumbnails: ThumbnailArray, vectors: Mapping[str, np.ndarray]
) -> "EvaluatorExamples":
    """Returns the arrays of some rows of the training set.

    Args:
        rows: TRAINING_SET with source_id and target_id.
        thumbnails: thumbnails of all images in `rows`.
        vectors: sentence vectors of all texts in `rows`.
    """
    from trainers.small.evaluator import EvaluatorExamples

    row_of = {text: row for row, text in enumerate(vectors)}
    edits = [Edit(*edit) for edit in rows.select(Edit._fields).iter_rows()]
    distinct = sorted(set(edits))
    index_of = {edit: row for row, edit in enumerate(distinct)}
    describes = [[relation_of(edit, other) is None for other in distinct] for edit in distinct]
    return EvaluatorExamples(
        images=thumbnails.images,
        vectors=np.stack(list(vectors.values())),
        source=thumbnails.rows(rows["source_id"]),
        target=thumbnails.rows(rows["target_id"]),
        own=np.array([row_of[text] for text in rows["text"]], np.int64),
        other=np.array([row_of[text] for text in rows["other_text"]], np.int64),
        edit=np.array([index_of[edit] for edit in edits], np.int64),
        describes=np.array(describes, bool),
    )
