"""The messages about steps that fail, and about disks and folders that refuse what a command does."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg
    from dagster_shared.error import SerializableErrorInfo

OUR_PACKAGES = ("assets.", "benchmarks.", "models.", "orchestration.", "trainers.")

FREE_SPACE = (
    "Free space on the disk of the home, of the folder that is written to, or of TMPDIR; then run the same "
    "command again."
)
WRITABLE = "Make it writable, or choose another folder; then run the same command again."
ADVICE: Mapping[str, str] = {
    "no space left on device": FREE_SPACE,
    "disk is full": FREE_SPACE,  # SQLite
    "disk i/o error": FREE_SPACE,  # SQLite, which also says so when it cannot write its journal
    "disk quota exceeded": FREE_SPACE,
    "read-only file system": WRITABLE,
    "readonly database": WRITABLE,  # SQLite
    "permission denied": WRITABLE,
    "operation not permitted": WRITABLE,
}
"""What to do, by the words with which the operating system or a database refuses. Libraries keep these words,
but not always the class of the error."""


def refusal(text: str) -> str | None:
    """Returns the line of a text in which a disk or a folder refuses, and what to do; None without one."""
    for line in reversed(text.splitlines()):
        for words, advice in ADVICE.items():
            if words in line.lower():
                return f"{line.strip().rstrip('.')}. {advice}"
    return None


def failure_reason(events: Iterable["dg.DagsterEvent"]) -> str | None:
    """Returns which step failed first and why, None if no step failed.

    The reason is what the step raised: not Dagster's exception around it, nor the cause, which our own errors
    explain. Of an error that is not ours, it is the first line.
    """
    for event in events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None and _is_wrapper(error):
                error = error.cause
            reason = _reason(error.message) if error is not None else "no reason was recorded"
            return f"{event.step_key} failed: {reason}"
    return None


def _is_wrapper(error: "SerializableErrorInfo") -> bool:
    return (error.cls_name or "").startswith("Dagster")


def _reason(message: str) -> str:
    refused = refusal(message)
    if refused is not None:
        return refused
    name, _, text = message.strip().partition(": ")
    if name.startswith(OUR_PACKAGES):
        return text
    return f"{message.strip().splitlines()[0]} (`emberline ui` shows the traceback in the log of the run)"
