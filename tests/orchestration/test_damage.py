"""A home with deleted, cut or changed files is as it was after the next run, or after verify --repair."""

import hashlib
import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tiny_run import emberline

KINDS = (
    "batches/*.json",
    "images/demo-*/*.parquet",
    "images/synthesized/*.parquet",
    "images/synthesized/*.json",
    "probes/*.json",
    "records/*",
    "samples/raw/*",
    "samples/synthesized*",
    "texts/raw/*",
    "texts/captioned*",
    "measures/pdq@*.parquet",
    "measures/pdq@*.json",
    "verdicts/deduped.parquet",
    "verdicts/filtered.parquet",
    "verdicts/postfiltered.parquet",
    "dedup/clusters.parquet",
    "kept/*",
    "pairs/*",
    "mixtures/sft.parquet",
    "cache/text/*.safetensors",
    "cache/latents/*.safetensors",
    "cache/latents/index.parquet",
    "models/copy_descriptor/*.safetensors",
    "models/evaluator/*.safetensors",
    "models/codec/*.safetensors",
    "training/ct/final/*.safetensors",
    "training/nft/final/*.safetensors",
    "training/nft/seen.parquet",
    "training/nft/result.json",
    "bench/scores.parquet",
    "bench/report/report.json",
    "bench/suite/pictures/*",
    "reports/funnel.json",
    "reports/champion.json",
    "longtail/*",
    "manifests/deduped.json",
    "manifests/nft.json",
    "manifests/raw_images/*.json",
)
"""The test damages one file of each kind, all at once, so that a run has to repair inputs before outputs."""

DECIDED = ("reports/champion.json",)
"""The decision of the second run differs: there is a champion by then, or a reason why there is none."""


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        changed = bytearray(data)
        changed[len(data) // 2] ^= 1
        path.write_bytes(bytes(changed))


def manifests(home: Path) -> dict[str, dict[str, str]]:
    stored = (json.loads(path.read_text()) for path in (home / "manifests").rglob("*.json"))
    return {
        one["name"]: {path: sha for path, sha in one["files"].items() if path not in DECIDED}
        for one in stored
    }


@pytest.mark.parametrize("how", ["deleted", "cut", "changed"])
def test_a_damaged_home_ends_as_the_undamaged_one(tiny_run, tmp_path, how):
    home = tmp_path / "home"
    shutil.copytree(tiny_run.home, home)
    files = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    for kind in KINDS:
        damage(home / next(path for path in files if fnmatch(path, kind)), how)
    place = ("--profile", str(tiny_run.profile), "--home", str(home))
    done = emberline(*(("verify", "--repair") if how == "changed" else ("run",)), *place)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = manifests(tiny_run.home)
    assert manifests(home) == expected
    for of_step in expected.values():
        for path, sha256 in of_step.items():
            assert hashlib.sha256((home / path).read_bytes()).hexdigest() == sha256, path
    verified = emberline("verify", *place)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("lost", ["database", "artifacts"])
def test_a_lost_registry_is_filled_again_from_finished_weights(tiny_run, tmp_path, lost):
    home = tmp_path / "home"
    shutil.copytree(tiny_run.home, home)
    if lost == "database":
        (home / "mlflow/mlflow.db").unlink()
    else:
        shutil.rmtree(home / "mlflow/artifacts")
    place = ("--profile", str(tiny_run.profile), "--home", str(home))
    assert emberline("verify", *place).returncode == 1
    told = emberline("status", "--json", *place)
    assert json.loads(told.stdout)["registry"]["problems"]
    before = {path: path.stat().st_mtime_ns for path in (home / "training").rglob("final/*.safetensors")}
    done = emberline("run", *place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before, "nothing is trained again"
    verified = emberline("verify", *place)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(emberline("status", "--json", *place).stdout)["registry"]["problems"] == []


def test_gc_lists_what_nothing_refers_to_and_deletes_only_when_told(tiny_run, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(tiny_run.home, home)
    (home / "records/stray.parquet").write_bytes(b"x" * 1000)
    place = ("--profile", str(tiny_run.profile), "--home", str(home))
    listed = emberline("gc", *place)
    assert listed.returncode == 0, listed.stderr
    assert "records/stray.parquet" in listed.stdout
    assert (home / "records/stray.parquet").exists()
    assert emberline("gc", "--delete", *place).returncode == 0
    assert not (home / "records/stray.parquet").exists()
    assert emberline("verify", *place).returncode == 0
