"""How far a training stage is, read from the file that its trainer writes."""

import time
from collections.abc import Callable

from assets.training.stage import report_steps

PATIENCE_SECONDS = 20


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "nothing was told"
        time.sleep(0.05)


def test_steps_of_an_earlier_run_are_not_told_as_steps_of_this_one(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 600}\n')
    told: list[int] = []
    with report_steps(metrics, 500, "training sft", lambda _, done, __: told.append(done)):
        wait_for(lambda: told == [0])
        time.sleep(1.5)
        metrics.write_text('{"step": 7}\n{"st')
        wait_for(lambda: len(told) > 1)
    assert set(told) == {0, 7}
