"""A home in which the tiny lineage was made once, by the command that people use; many tests read it."""

from pathlib import Path

import pytest
from tiny import write_tiny_profile
from tiny_run import PATIENCE_SECONDS, TinyRun, emberline

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The tiny lineage, whole: about two minutes on two cores, so what asks for it is marked slow."""
    folder = tmp_path_factory.mktemp("tiny")
    profile, home = write_tiny_profile(folder / "tiny.yaml"), folder / "home"
    done = emberline("demo", "--profile", str(profile), "--home", str(home))
    assert done.returncode == 0, done.stderr[-4000:]
    return TinyRun(profile, home, done.stderr)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the whole lineage as slow; the first of them pays for its run."""
    for item in items:
        if "tiny_run" in getattr(item, "fixturenames", ()) and HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(PATIENCE_SECONDS + 300))
