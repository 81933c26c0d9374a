"""The coverage index: distinct instructions with their vectors, behind one small protocol (report 2.4)."""

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
AT_ONCE = 256
NEIGHBOURS = 1000
"""Neighbours counted at most: more than these say that a place is dense, not how dense."""


class Instruction(NamedTuple):
    """A distinct instruction and where it stands. `samples` is how many carry it."""

    text: str
    lang: str
    category: str
    template: str
    samples: int

    @property
    def point_id(self) -> str:
        """A UUID that is a function of text, language and place: a second upsert overwrites."""
        return str(uuid.uuid5(NAMESPACE, "\x1f".join((self.lang, self.category, self.template, self.text))))


class CoverageIndex(Protocol):
    """What coverage and gap search need of a vector database."""

    def upsert(self, instructions: Sequence[Instruction], vectors: np.ndarray, progress: Progress) -> None:
        """Adds instructions with their vectors (N, D); one that is there is replaced."""
        ...

    def count(self, category: str | None = None) -> int:
        """Returns the number of distinct instructions, of one category or of all."""
        ...

    def density(self, vectors: np.ndarray, min_similarity: float) -> np.ndarray:
        """Returns the number of instructions within a cosine of each vector, (N,), 1,000 at most."""
        ...


class QdrantIndex:
    """The index in Qdrant: a server, or local mode, which searches exactly and writes 100 points a second."""

    def __init__(self, client: "QdrantClient", collection: str) -> None:
        self._client = client
        self._collection = collection

    def create(self, dimensions: int) -> None:
        """Makes an empty collection, in place of one that is there."""
        from qdrant_client import models

        if self._client.collection_exists(self._collection):
            self._client.delete_collection(self._collection)
        vectors = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
        self._client.create_collection(self._collection, vectors_config=vectors)

    def upsert(self, instructions: Sequence[Instruction], vectors: np.ndarray, progress: Progress) -> None:
        """Adds instructions with their vectors (N, D); one that is there is replaced."""
        from qdrant_client import models

        starts = range(0, len(instructions), AT_ONCE)
        for start in tracked(starts, len(starts), "indexing instructions", progress):
            points = [
                models.PointStruct(id=each.point_id, vector=vector.tolist(), payload=each._asdict())
                for each, vector in zip(
                    instructions[start : start + AT_ONCE], vectors[start : start + AT_ONCE], strict=True
                )
            ]
            self._client.upsert(self._collection, points, wait=True)

    def count(self, category: str | None = None) -> int:
        """Returns the number of distinct instructions, of one category or of all."""
        return self._client.count(self._collection, count_filter=_only(category), exact=True).count

    def density(self, vectors: np.ndarray, min_similarity: float) -> np.ndarray:
        """Returns the number of instructions within a cosine of each vector, (N,), 1,000 at most."""
        from qdrant_client import models

        counts = []
        for start in range(0, len(vectors), AT_ONCE):
            requests = [
                models.QueryRequest(query=vector.tolist(), limit=NEIGHBOURS, score_threshold=min_similarity)
                for vector in vectors[start : start + AT_ONCE]
            ]
            answers = self._client.query_batch_points(self._collection, requests)
            counts += [len(answer.points) for answer in answers]
        return np.array(counts, np.int64)


@contextmanager
def new_index(lake: Lake, config: LongtailConfig, dimensions: int) -> Iterator[QdrantIndex]:
    """Yields an empty index, whatever a run that was killed left of an earlier one."""
    if config.qdrant_url is None:
        shutil.rmtree(lake.local_path(INDEX_FOLDER), ignore_errors=True)
    with open_index(lake, config) as index:
        index.create(dimensions)
        yield index


@contextmanager
def open_index(lake: Lake, config: LongtailConfig) -> Iterator[QdrantIndex]:
    """Yields the index as it is; only one process may have a local one open.

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


def _only(category: str | None):  # noqa: ANN202 a Qdrant filter, whose type would load the client
    if category is None:
        return None
    from qdrant_client import models

    return models.Filter(
        must=[models.FieldCondition(key="category", match=models.MatchValue(value=category))]
    )
