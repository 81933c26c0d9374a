"""`emberline bench` over small official-looking suites with a judge on the loopback, for several tests."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from toy_bench import outputs, rededit

from benchmarks.command import bench
from benchmarks.perf.judge_server import judge_server
from benchmarks.suites.catalogue import load_suite


@dataclass
class Made:
    """A finished run: its folder, what it printed, and what the judge was asked."""

    folder: Path
    printed: str
    asked: int

    @property
    def figures(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))


def run(*arguments: Any, code: int = 0) -> str:
    """Returns what the command prints; fails where it does not end as expected."""
    result = CliRunner().invoke(bench, [str(one) for one in arguments])
    assert result.exit_code == code, result.output + str(result.exception)
    return result.output


def rededit_with_two_models(folder: Path, count: int = 8) -> list[str]:
    """Writes a suite and outputs of two models, one of them incomplete; returns arguments."""
    rededit(folder / "data", count)
    suite = load_suite("rededit", data=folder / "data", images=None, lang="en")
    outputs(folder / "mine", suite.items)
    theirs = outputs(folder / "theirs", suite.items[1:], flat=True, suffix=".jpg", shift=40)
    first = min(theirs.glob("*.jpg"))
    first.write_bytes(first.read_bytes()[:200])
    named = ["--outputs", f"mine={folder / 'mine'}", "--outputs", f"theirs={folder / 'theirs'}"]
    return ["--suite", "rededit", "--data", str(folder / "data"), *named]


def judged(
    folder: Path, arguments: list[str], *more: Any, out: str = "run", model: str = "openai:toy"
) -> Made:
    """Runs the command with a well-behaved judge."""
    with judge_server() as (url, log):
        address = f"{url}/v1beta" if model.startswith("gemini") else f"{url}/v1"
        hosted = ["--judge", model, "--judge-url", address, "--retry-wait", "0"]
        printed = run(*arguments, *hosted, "--out", folder / "run", *more)
    return Made(folder / "run", printed, len(log.order))
