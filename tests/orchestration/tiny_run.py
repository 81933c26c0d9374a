"""The command line in a process of its own, and a home in which the tiny lineage was made with it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from assets.lake.lake import Lake

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 900


def one_thread() -> dict[str, str]:
    """The environment of every run that is compared with another: sums over two threads end otherwise."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


class TinyRun(NamedTuple):
    """A profile, the home that was made of it, and what the run said meanwhile."""

    profile: Path
    home: Path
    said: str

    @property
    def lake(self) -> Lake:
        return Lake(str(self.home))

    def emberline(self, *arguments: str, profile: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command on this home."""
        place = ("--profile", str(profile or self.profile), "--home", str(self.home))
        return emberline(*arguments, *place)


def emberline(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestration.cli", *arguments]
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env=one_thread(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
