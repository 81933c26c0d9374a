"""Arrays for the evaluator: the pictures and sentence vectors that rows of its training set stand for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.measured.thumbnail import Thumbnails
from assets.postfiltered.training_set import Edit, relation_of

if TYPE_CHECKING:
    from trainers.small.evaluator import EvaluatorExamples


def evaluator_examples(
    rows: pl.DataFrame, thumbnails: Thumbnails, vectors: Mapping[str, np.ndarray]
) -> "EvaluatorExamples":
    """Returns the arrays of some rows.

    Args:
        rows: TRAINING_SET with source_id and target_id.
        thumbnails: of all these images.
        vectors: of all these texts.
    """
    from trainers.small.evaluator import EvaluatorExamples

    row_of = {text: row for row, text in enumerate(vectors)}
    edits = [Edit(*edit) for edit in rows.select(Edit._fields).iter_rows()]
    distinct = sorted(set(edits))
    place = {edit: row for row, edit in enumerate(distinct)}
    describes = [[relation_of(edit, other) is None for other in distinct] for edit in distinct]
    return EvaluatorExamples(
        pictures=thumbnails.pictures,
        vectors=np.stack(list(vectors.values())),
        source=thumbnails.rows(rows["source_id"]),
        target=thumbnails.rows(rows["target_id"]),
        own=np.array([row_of[text] for text in rows["text"]], np.int64),
        other=np.array([row_of[text] for text in rows["other_text"]], np.int64),
        edit=np.array([place[edit] for edit in edits], np.int64),
        describes=np.array(describes, bool),
    )
