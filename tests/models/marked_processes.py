"""Finds the processes that a test has started, however deep, by a mark in their environment."""

import psutil


def marked(mark: str) -> list[psutil.Process]:
    """The living processes whose environment has a mark; a zombie is dead."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
