"""The local engine: a pure function over shards, in worker processes of one thread each."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

from models.common.progress import Progress, tracked

Shard = TypeVar("Shard")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Engine:
    """How the work over shards is spread. It decides how fast a result comes, never the result."""

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

    The function must be importable, idempotent and safe to retry: it looks for what is done and skips it.
    An exception in a worker is raised here, and the shards not yet begun are given up.
    """
    if workers <= 1 or len(shards) <= 1:
        return [function(shard) for shard in tracked(shards, len(shards), what, progress)]
    progress(what, 0, len(shards))
    results: dict[int, Result] = {}
    context = get_context("spawn")  # a fork of a process with threads, such as Dagster's, may deadlock
    with ProcessPoolExecutor(min(workers, len(shards)), context, initializer=limit_threads) as pool:
        futures = {pool.submit(function, shard): index for index, shard in enumerate(shards)}
        try:
            for future in as_completed(futures):
                results[futures[future]] = future.result()
                progress(what, len(results), len(shards))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[index] for index in range(len(shards))]


def limit_threads() -> None:
    """Gives this process one thread in each library that would take all cores."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    import cv2

    cv2.setNumThreads(1)
