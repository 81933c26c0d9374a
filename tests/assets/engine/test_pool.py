import os
from functools import partial

import pytest

from assets.engine.pool import map_shards
from models.common.progress import silent


def square(number: int) -> int:
    return number * number


def fail_on(bad: int, number: int) -> int:
    if number == bad:
        raise ValueError(f"cannot square {number}")
    return number * number


def thread_limits(_: int) -> str:
    return os.environ.get("OMP_NUM_THREADS", "")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_shards(workers):
    seen = []
    results = map_shards(
        square, [3, 1, 2], workers=workers, what="squares", progress=lambda *state: seen.append(state)
    )
    assert results == [9, 1, 4]
    assert seen[0] == ("squares", 0, 3)
    assert seen[-1] == ("squares", 3, 3)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_reaches_the_caller(workers):
    with pytest.raises(ValueError, match="cannot square 2"):
        map_shards(partial(fail_on, 2), [1, 2, 3], workers=workers, what="x", progress=silent)


def test_workers_have_one_thread_each():
    assert map_shards(thread_limits, [0, 1], workers=2, what="x", progress=silent) == ["1", "1"]
