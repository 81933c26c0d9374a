"""What the tests share: a lake in a temporary folder and the way to real test material."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from assets.lake.lake import Lake

REPOSITORY = Path(__file__).parents[1]

# No test is timed: on a busy machine, hypothesis' deadline of 0.2 s failed what was right.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def no_server_of_another_test() -> Iterator[None]:
    """MLflow leaves its address to child processes, in the environment, where it would outlive a test."""
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Finds real test material by its path; the test skips where that material is missing."""
    folder = Path(os.environ.get("EMBERLINE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))

    def find(path: str) -> Path:
        if not (folder / path).exists():
            pytest.skip(f"needs {path} from the folder of real test material (EMBERLINE_TEST_DATA)")
        return folder / path

    return find
