"""The local executor: runs a pure function over shards, in worker processes with one thread each."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import TypeVar

from models.common.processes import process_pool
from models.common.progress import Progress, tracked

Shard = TypeVar("Shard")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Executor:
    """How many processes work on shards. The number changes the duration of a step, never its result."""

    workers: int


THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def map_shards(
    function: Callable[[Shard], Result],
    shards: Sequence[Shard],
    *,
    workers: int,
    what: str,
    progress: Progress,
) -> list[Result]:
    """Returns `function(shard)` for each shard, in the order of the shards.

    The function must be importable from a worker process, idempotent and safe to retry; it skips work that is
    done already. An exception in a worker is raised here, and shards that have not started are cancelled. The
    workers end with this process, and an interrupt kills them.
    """
    if workers <= 1 or len(shards) <= 1:
        return [function(shard) for shard in tracked(shards, len(shards), what, progress)]
    progress(what, 0, len(shards))
    results: dict[int, Result] = {}
    with process_pool(min(workers, len(shards)), limit_threads) as pool:
        futures = {pool.submit(function, shard): index for index, shard in enumerate(shards)}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            progress(what, len(results), len(shards))
    return [results[index] for index in range(len(shards))]


def limit_threads() -> None:
    """Limits each library that would use all cores to one thread in this process."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    import cv2

    cv2.setNumThreads(1)
