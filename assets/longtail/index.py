"""The coverage index: distinct instructions and their vectors in a vector database (report 2.4)."""

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from assets.lake.lake import Lake
from assets.longtail.config import INDEX_FOLDER, LongtailConfig
from models.common.progress import Progress, tracked

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://emberline.invalid/instructions")
BATCH_SIZE = 256
MAX_NEIGHBOURS = 1000
"""Largest number of neighbours counted; a higher density is not distinguished."""


class IndexedInstruction(NamedTuple):
    """A distinct instruction of one category and template; `samples` counts the samples that have it."""

    text: str
    lang: str
    category: str
    template: str
    samples: int

    @property
    def point_id(self) -> str:
        """A UUID computed from text, language, category and template, so that a second upsert overwrites."""
        return str(uuid.uuid5(NAMESPACE, "\x1f".join((self.lang, self.category, self.template, self.text))))


class CoverageIndex(Protocol):
    """The operations of a vector database that coverage needs."""

    def upsert(
        self, instructions: Sequence[IndexedInstruction], vectors: np.ndarray, progress: Progress
    ) -> None:
        """Adds instructions with their vectors (N, D) and replaces those that exist."""
        ...

    def count(self, category: str | None = None) -> int:
        """Returns the number of distinct instructions in one category, or in all."""
        ...

    def density(self, vectors: np.ndarray, min_similarity: float) -> np.ndarray:
        """Returns for each vector the number of instructions within a cosine, (N,), at most 1,000."""
        ...


class QdrantIndex:
    """The index in Qdrant: a server, or local mode, which is exact and writes 100 points per second."""

    def __init__(self, client: "QdrantClient", collection: str) -> None:
        self._client = client
        self._collection = collection

    def create(self, dimensions: int) -> None:
        """Creates an empty collection and deletes an existing one."""
        from qdrant_client import models

        if self._client.collection_exists(self._collection):
            self._client.delete_collection(self._collection)
        vectors = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
        self._client.create_collection(self._collection, vectors_config=vectors)

    def upsert(
        self, instructions: Sequence[IndexedInstruction], vectors: np.ndarray, progress: Progress
    ) -> None:
        """Adds instructions with their vectors (N, D) and replaces those that exist."""
        from qdrant_client import models

        starts = range(0, len(instructions), BATCH_SIZE)
        for start in tracked(starts, len(starts), "indexing instructions", progress):
            points = [
                models.PointStruct(
                    id=instruction.point_id, vector=vector.tolist(), payload=instruction._asdict()
                )
                for instruction, vector in zip(
                    instructions[start : start + BATCH_SIZE], vectors[start : start + BATCH_SIZE], strict=True
                )
            ]
            self._client.upsert(self._collection, points, wait=True)

    def count(self, category: str | None = None) -> int:
        """Returns the number of distinct instructions in one category, or in all."""
        return self._client.count(self._collection, count_filter=_category_filter(category), exact=True).count

    def density(self, vectors: np.ndarray, min_similarity: float) -> np.ndarray:
        """Returns for each vector the number of instructions within a cosine, (N,), at most 1,000."""
        from qdrant_client import models

        counts = []
        for start in range(0, len(vectors), BATCH_SIZE):
            requests = [
                models.QueryRequest(
                    query=vector.tolist(), limit=MAX_NEIGHBOURS, score_threshold=min_similarity
                )
                for vector in vectors[start : start + BATCH_SIZE]
            ]
            responses = self._client.query_batch_points(self._collection, requests)
            counts += [len(response.points) for response in responses]
        return np.array(counts, np.int64)


@contextmanager
def new_index(lake: Lake, config: LongtailConfig, dimensions: int) -> Iterator[QdrantIndex]:
    """Yields an empty index and deletes whatever an earlier run left."""
    if config.qdrant_url is None:
        shutil.rmtree(lake.local_path(INDEX_FOLDER), ignore_errors=True)
    with open_index(lake, config) as index:
        index.create(dimensions)
        yield index


@contextmanager
def open_index(lake: Lake, config: LongtailConfig) -> Iterator[QdrantIndex]:
    """Yields the existing index; a local index can be open in one process only.

    Raises:
        RuntimeError: another process has the local index open.
    """
    from qdrant_client import QdrantClient

    if config.qdrant_url is not None:
        client = QdrantClient(url=config.qdrant_url)
    else:
        client = QdrantClient(path=str(lake.local_path(INDEX_FOLDER)))
    try:
        yield QdrantIndex(client, config.collection)
    finally:
        client.close()


def _category_filter(category: str | None):  # noqa: ANN202 a Qdrant filter, whose type would load the client
    if category is None:
        return None
    from qdrant_client import models

    return models.Filter(
        must=[models.FieldCondition(key="category", match=models.MatchValue(value=category))]
    )
