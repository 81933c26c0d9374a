"""DVC sees the lineage as three phases: what they depend on, what they came to, and how two runs compare."""

import configparser
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_run import REPOSITORY

from orchestration.dvc_yaml import DVC_YAML, PHASES, dvc_pipeline, render
from orchestration.profile import PROFILES, load_profile

PIPELINE = yaml.safe_load(DVC_YAML.read_text())
STAGES = PIPELINE["stages"]
CODE = ("assets", "models", "trainers", "benchmarks", "profiles")


def outputs(stage: dict) -> dict[str, bool]:
    """Each output of a stage, and whether DVC's cache keeps it."""
    found = {}
    for output in (*stage["outs"], *stage["metrics"]):
        path, options = next(iter(output.items())) if isinstance(output, dict) else (output, {})
        found[path] = options.get("cache", True)
    return found


def test_the_committed_file_is_what_the_asset_graph_says():
    expected = render(dvc_pipeline(load_profile("demo"), "profiles/demo.yaml"))
    assert DVC_YAML.read_text() == expected, "run python -m orchestration.dvc_yaml"


def test_phases_call_the_command_line_and_follow_each_other():
    assert list(STAGES) == list(PHASES) == ["prepare", "train", "benchmark"]
    for stage in STAGES.values():
        run, export = stage["cmd"]
        assert run.startswith("emberline run --job ")
        assert export.startswith("emberline export --job ")
    assert "results/prepare/manifests.json" in STAGES["train"]["deps"]
    assert "results/train/manifests.json" in STAGES["benchmark"]["deps"]


def test_what_a_phase_depends_on_is_there():
    settings = yaml.safe_load((PROFILES / "demo.yaml").read_text())
    made = {path for stage in STAGES.values() for path in outputs(stage)}
    for stage in STAGES.values():
        assert all((REPOSITORY / path).is_dir() or path in made for path in stage["deps"])
        [(file, sections)] = stage["params"][0].items()
        assert (REPOSITORY / file).is_file()
        for section in sections:
            value = settings
            for part in section.split("."):
                value = value[part]
    asked = {section for stage in STAGES.values() for section in stage["params"][0]["profiles/demo.yaml"]}
    assert {section.partition(".")[0] for section in asked} == settings.keys() - {
        "name",
        "description",
        "engine",
        "tracking",
    }


def test_dvc_holds_lists_and_figures_and_never_data():
    for stage in STAGES.values():
        for path, cached in outputs(stage).items():
            assert path.startswith("results/")
            assert cached == path.endswith("/manifests.json"), "Git keeps figures, DVC lists"


def test_dvc_phones_nobody():
    config = configparser.ConfigParser()
    config.read(REPOSITORY / ".dvc/config")
    assert config["core"]["analytics"] == "false"


@pytest.fixture
def dvc(tmp_path):
    """A repository of its own with the code, in which DVC can be called."""
    root = tmp_path / "repository"
    for folder in CODE:
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    for file in ("dvc.yaml", ".dvcignore"):
        shutil.copy(REPOSITORY / file, root / file)
    command(root, "git", "init", "--quiet")
    return lambda *arguments: command(root, sys.executable, "-m", "dvc", *arguments)


def command(root: Path, *arguments: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "Anna", f"GIT_{who}_EMAIL": "anna@example.org"}
    done = subprocess.run(arguments, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dvc_reads_the_file_and_orders_the_phases(dvc):
    listed = dvc("stage", "list", "--name-only").split()
    assert listed == ["prepare", "train", "benchmark"]
    edges = {line.strip() for line in dvc("dag", "--mermaid").splitlines() if "-->" in line}
    assert len(edges) == 2


def results_of(root: Path, phase: str) -> dict:
    return json.loads((root / "results" / phase / "metrics.json").read_text())


def test_a_finished_home_is_reproduced_from_what_is_there_and_compared_with_another(dvc, tiny_run, tmp_path):
    root = tmp_path / "repository"
    shutil.copy(tiny_run.profile, root / "profiles" / "tiny.yaml")
    options = f" --profile profiles/tiny.yaml --home {tiny_run.home}"
    pipeline = dvc_pipeline(load_profile(str(tiny_run.profile)), "profiles/tiny.yaml", options)
    (root / "dvc.yaml").write_text(render(pipeline))
    weights = tiny_run.home / "training/nft/final/diffusion_pytorch_model.safetensors"
    written = weights.stat().st_mtime_ns

    dvc("repro")
    assert weights.stat().st_mtime_ns == written, "what was finished was trained again"
    assert "always changed" in dvc("status")
    dvc("repro")
    assert weights.stat().st_mtime_ns == written, "what was finished was trained again"
    assert results_of(root, "train")["nft"]["steps"] == 6
    command(root, "git", "add", "--all")
    command(root, "git", "commit", "--quiet", "--message", "results")
    tracked = command(root, "git", "ls-files", "results").split()
    assert "results/train/losses/sft.csv" in tracked
    assert "results/train/manifests.json" not in tracked

    metrics = root / "results/benchmark/metrics.json"
    better = results_of(root, "benchmark")
    better["nft"]["model_error"] -= 0.25
    metrics.write_text(json.dumps(better))
    changes = json.loads(dvc("metrics", "diff", "--json"))
    [(path, figures)] = changes.items() if "diff" not in changes else changes["diff"].items()
    assert path.endswith("benchmark/metrics.json")
    assert figures["nft.model_error"]["diff"] == pytest.approx(-0.25)
    dvc("plots", "show", "--out", "plots")
    page = (root / "plots/index.html").read_text()
    assert "validation loss" in page
    assert "latent error" in page


def test_dvc_and_the_home_agree_when_settings_change_back_and_forth(dvc, tiny_run, tmp_path):
    root, home = tmp_path / "repository", tmp_path / "home"
    shutil.copytree(tiny_run.home, home)
    profile = root / "profiles" / "tiny.yaml"
    settings = yaml.safe_load(Path(tiny_run.profile).read_text())
    options = f" --profile profiles/tiny.yaml --home {home}"
    fingerprints = []
    for share in (0.5, 0.25, 0.5):
        settings["postfiltered"]["min_alignment"] = share
        profile.write_text(yaml.safe_dump(settings, sort_keys=False))
        pipeline = dvc_pipeline(load_profile(str(profile)), "profiles/tiny.yaml", options)
        (root / "dvc.yaml").write_text(render(pipeline))
        dvc("repro", "prepare")
        told = json.loads((root / "results/prepare/manifests.json").read_text())["postfiltered"][0]
        stored = json.loads((home / "manifests/postfiltered.json").read_text())
        assert told["fingerprint"] == stored["fingerprint"]
        fingerprints.append(stored["fingerprint"])
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]
