"""What a second run does: nothing where nothing changed, and only what a changed threshold touches."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from tiny import merge
from tiny_run import TinyRun

from assets.engine.measure import read_ledger
from assets.lake.schemas import VERDICTS


def written(home: Path, folder: str) -> dict[str, tuple[int, bytes]]:
    """When each file below a folder was written, and what it holds."""
    files = (path for path in sorted((home / folder).rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def marks(said: str) -> set[str]:
    return {line.split()[0] for line in said.splitlines() if " assets, " in line and " left" in line}


@pytest.fixture
def stricter(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """The profile with another threshold for blur, at the median of what was measured."""
    paths = tiny_run.lake.list("measures", ".parquet")
    tables = [tiny_run.lake.read_table(path) for path in paths if path.startswith("measures/photometric@")]
    sharpness = pl.concat(tables)["sharpness"].median()
    profile = yaml.safe_load(tiny_run.profile.read_text())
    rule = {"measure": "photometric.sharpness", "keep": "above", "value": sharpness}
    profile["filtered"]["rules"].pop("blur", None)
    merge(profile, {"filtered": {"rules": {"blur": rule}}})
    path = tmp_path / "stricter.yaml"
    path.write_text(yaml.safe_dump(profile, sort_keys=False))
    return path


def test_a_second_run_computes_nothing(tiny_run):
    folders = (
        "manifests",
        "measures",
        "verdicts",
        "training",
        "cache",
        "bench",
        "models",
        "mlflow/artifacts",
    )
    before = {folder: written(tiny_run.home, folder) for folder in folders}
    done = tiny_run.emberline("demo")
    assert done.returncode == 0, done.stderr
    assert marks(done.stderr) == {"kept"}
    assert "about 0:00 left" in done.stderr.splitlines()[0]
    for folder in folders:
        assert written(tiny_run.home, folder) == before[folder], folder


def test_a_changed_threshold_decides_again_and_measures_nothing(tiny_run, stricter):
    ledger, measures = read_ledger(tiny_run.lake), written(tiny_run.home, "measures")
    decided = (tiny_run.home / "verdicts/filtered.parquet").read_bytes()
    dropped = tiny_run.lake.read_table("verdicts/filtered.parquet", VERDICTS).filter(~pl.col("kept"))

    done = tiny_run.emberline("run", "--select", "filtered", profile=stricter)
    assert done.returncode == 0, done.stderr
    assert marks(done.stderr) == {"done"}
    now = tiny_run.lake.read_table("verdicts/filtered.parquet", VERDICTS).filter(~pl.col("kept"))
    more = set(now["id"]) - set(dropped["id"])
    assert more
    assert f"filtered: {len(more)} images newly dropped, 0 newly kept" in done.stderr
    assert "samples depend on them" in done.stderr
    again = done.stderr.partition("would check these assets again: ")[2]
    later = {"captioned", "synthesized", "training_cache", "nft", "champion"}
    assert later <= set(again.rstrip(".\n").split(", "))
    assert "measured" not in again.replace("target_measures", "")

    assert read_ledger(tiny_run.lake).equals(ledger)
    assert written(tiny_run.home, "measures") == measures

    back = tiny_run.emberline("run", "--select", "filtered")
    assert back.returncode == 0, back.stderr
    assert (tiny_run.home / "verdicts/filtered.parquet").read_bytes() == decided
    assert "would check these assets again" not in back.stderr


def test_verdicts_of_another_threshold_reach_the_trainer_only_when_asked_to(tiny_run, stricter):
    done = tiny_run.emberline("run", "--plan", profile=stricter)
    rows = [line.split("│") for line in done.stdout.splitlines() if "│" in line]
    states = {row[1].strip(): row[2].strip() for row in rows}
    assert states["filtered"] == "due"
    assert states["filtered_pairs"] == "due"
    assert states["measured"] == "finished"
    assert states["captioned"] == "depends"
    assert states["nft"] == "depends"
