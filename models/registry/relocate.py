"""Lets a store of MLflow be moved and copied: its database names its files by absolute address."""

import sqlite3
from contextlib import closing
from pathlib import Path

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""The columns of MLflow's tables that hold addresses of files."""


class DamagedStoreError(RuntimeError):
    """The database of MLflow cannot be read.

    Attributes:
        database: its path.
    """

    def __init__(self, database: Path, reason: object) -> None:
        self.database = database
        super().__init__(
            f"{database} cannot be read: {reason}. Move it away and run again: the finished weights are "
            "registered again, and the figures of old runs are in training/<stage>/metrics.jsonl."
        )


def relocate(database: Path, artifacts: Path) -> bool:
    """Returns whether the store was moved or copied, after making its addresses point to where it is now.

    Args:
        database: SQLite file of the store.
        artifacts: folder of its files, beside which MLflow's addresses have to lead.

    Raises:
        DamagedStoreError: the file is no database of MLflow.
    """
    if not database.exists():
        return False
    current = artifacts.absolute().as_uri()
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
            stored = connection.execute("SELECT DISTINCT artifact_location FROM experiments")
            # Only ours end with these two folders; that of MLflow's default experiment is never used.
            ending = "/".join(("", *artifacts.parts[-2:]))
            moved = [uri for (uri,) in stored if uri and uri.endswith(ending) and uri != current]
            for old in moved:
                for table, column in ADDRESSES:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 (constants)
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (current, len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
            return False  # made by a run that was killed before MLflow wrote its tables
        raise DamagedStoreError(database, error) from error
    return bool(moved)
