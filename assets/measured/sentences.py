"""Sentence vectors of distinct texts, stored for each set of texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from assets.lake.ids import digest
from assets.lake.lake import Lake
from models.common.progress import Progress, tracked

FOLDER = "cache/sentences"
SENTENCES = {"text": pl.String(), "vector": pl.List(pl.Float32())}
BATCH_SIZE = 256


def sentence_vectors(
    lake: Lake, texts: Sequence[str], encoder_path: Path | None, progress: Progress
) -> dict[str, np.ndarray]:
    """Returns the unit sentence vector, (384,) float32, of each distinct text.

    The vectors of a set of texts are computed together and stored. The last bits of a vector depend on the
    other texts in its batch, so a changed set is embedded again completely.

    Args:
        lake: stores them under `cache/sentences`.
        texts: English, in any order.
        encoder_path: folder of the text encoder; None searches the default places.
        progress: called for each batch.
    """
    distinct = sorted(set(texts))
    if not distinct:
        return {}
    from models.text_encoders.minilm import TextEncoder, load_text_encoder

    path = f"{FOLDER}/{digest([TextEncoder.identity, distinct])}.parquet"
    if not lake.exists(path):
        encoder = load_text_encoder(encoder_path)
        starts = range(0, len(distinct), BATCH_SIZE)
        parts = [
            encoder.embed(distinct[start : start + BATCH_SIZE]).numpy()
            for start in tracked(starts, len(starts), "embedding instructions", progress)
        ]
        table = pl.DataFrame({"text": distinct, "vector": np.concatenate(parts).tolist()}, schema=SENTENCES)
        lake.write_table(path, table, SENTENCES)
    rows = lake.read_table(path, SENTENCES).rows()
    return {text: np.array(vector, np.float32) for text, vector in rows}
