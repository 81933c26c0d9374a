"""metrics.jsonl: one line per step, readable during the run, without gaps or repeats after a resume."""

import json
from pathlib import Path
from typing import Any

from models.common.files import write_atomically


class MetricsFile:
    """The figures of a run by step. Step 0 is the state before training."""

    def __init__(self, path: Path, resumed_at: int | None) -> None:
        """Opens the file and removes the lines of steps that will be taken again.

        Args:
            path: path of the file.
            resumed_at: step at which the run resumes; None for a new run, which removes all lines.
        """
        kept = (
            [] if resumed_at is None else [line for line in read_metrics(path) if line["step"] <= resumed_at]
        )
        write_atomically(path, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
        self._stream = path.open("a", buffering=1)

    def append(self, step: int, figures: dict[str, float]) -> None:
        """Appends the figures of one step in one write."""
        self._stream.write(f"{json.dumps({'step': step, **figures})}\n")

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a metrics file, without a last line that a killed run wrote only in part."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines
