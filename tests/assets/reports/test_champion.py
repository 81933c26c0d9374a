"""The promotion with a real registry: two homes on one server, and what stops it."""

import json
import random

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from toy_pipeline import save_toy_pipeline

from assets.lake.lake import Lake
from assets.lake.paths import BENCH, BENCH_SUITE, CODEC
from assets.lake.run_step import run_step
from assets.lake.steps import Manifest, Step, StepOutput, require_manifest
from assets.reports import champion as promotion
from assets.reports.champion import UnscoredChampionError, alias_problem, promote_champion
from assets.training.config import Tracking
from benchmarks.config import BenchConfig
from benchmarks.scoring.known_truth import EDITOR_SCORES
from benchmarks.suites.item import BenchItem, picture_of_pixels
from benchmarks.suites.plain import write_plain
from models.codecs.patch_codec import fit_patch_codec
from models.common.progress import silent
from models.common.tensors import to_model_range
from models.registry.registry import aliases, register_version, version_folder, version_tags
from trainers.stages.registry import STAGE_NAMES

CONFIG = BenchConfig(samples_per_kind=1, seed=0, steps=1, batch=8, shown_per_kind=2)
KINDS, SOURCES = ("blur", "sepia"), 6
BEST = STAGE_NAMES[-1]


def items() -> list[BenchItem]:
    generator = np.random.default_rng(0)

    def pixels(name: str):
        return picture_of_pixels(name, generator.integers(0, 255, (64, 64, 3), np.uint8))

    return [
        BenchItem(
            sample_id=f"{kind}-{source}",
            kind=kind,
            category=kind,
            instruction="Make it brighter.",
            sources=(pixels("source"),),
            truth=pixels("truth"),
            cluster=f"source-{source}",
        )
        for kind in KINDS
        for source in range(SOURCES)
    ]


def scores(editor: str, error: float) -> pl.DataFrame:
    generator = np.random.default_rng(int(error * 1000))
    rows = [
        dict.fromkeys(EDITOR_SCORES)
        | {
            "editor": editor,
            "sample_id": item.sample_id,
            "kind": item.kind,
            "category": item.category,
            "model_error": error + 0.01 * generator.standard_normal(),
            "copy_error": 1.0,
        }
        for item in items()
    ]
    return pl.DataFrame(rows, schema=EDITOR_SCORES)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    return [save_toy_pipeline(folder / str(seed), seed=seed) for seed in range(3)]


@pytest.fixture
def server(tmp_path):
    """A registry that several homes share."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    MlflowClient(uri).create_experiment("shared", (tmp_path / "artifacts").as_uri())
    return Tracking(uri, "shared", "shared-model", artifact_location=None)


def register(server: Tracking, folder, stage: str) -> tuple[str, str]:
    client = MlflowClient(server.uri)
    run = client.create_run("1").info.run_id
    registered = register_version(
        folder, name=server.model, tracking_uri=server.uri, run_id=run, stage=stage, card="", tags={}
    )
    return registered.number, registered.tags["pipeline_sha256"]


def finish(lake: Lake, name: str, files: tuple[str, ...], facts: dict) -> None:
    run_step(lake, Step(name, "1", {}, {}), lambda: StepOutput(files, 1, facts))


def make_home(root, server: Tracking, folder, error: float) -> Lake:
    """A home whose best stage has a mean error, and whose weights are those of a pipeline folder."""
    lake = Lake(str(root))
    for path in lake.list("manifests"):
        lake.delete(path)
    number, sha256 = register(server, folder, BEST)
    for stage in STAGE_NAMES:
        finish(lake, stage, (), {"version": number if stage == BEST else "0", "pipeline_sha256": sha256})
    suite = lake.local_path(BENCH_SUITE)
    write_plain(suite, items())
    pixels = np.stack([item.sources[0].pixels() for item in items()])
    fit_patch_codec(to_model_range(pixels), patch=8, channels=16).save_pretrained(str(lake.local_path(CODEC)))
    lake.write_table(f"{BENCH}/scores.parquet", scores(BEST, error))
    figures = {"editor": BEST, "model_error": error, "of_copying": error, "share_beating_copying": 1.0}
    files = (f"{BENCH}/scores.parquet", *lake.list(BENCH_SUITE), *lake.list(CODEC))
    finish(lake, "bench_report", files, {"champion": BEST, "challenger": None, "editors": [figures]})
    return lake


def promote(lake: Lake, server: Tracking, failed: tuple[str, ...] = ()) -> Manifest:
    step = Step("champion", "1", {"bench_report": ()}, {})
    run_step(
        lake,
        step,
        lambda: promote_champion(lake, server, CONFIG, failed_checks=failed, progress=silent),
        forced=True,
    )
    return require_manifest(lake, "champion")


def named(server: Tracking) -> dict[str, str]:
    return dict(aliases(name=server.model, tracking_uri=server.uri))


def test_a_worse_home_does_not_take_the_alias_and_says_why(tmp_path, server, pipelines, monkeypatch):
    good = make_home(tmp_path / "good", server, pipelines[0], 0.4)
    bad = make_home(tmp_path / "bad", server, pipelines[1], 0.8)
    monkeypatch.setattr(promotion, "_scored", lambda lake, number, *_: scores(number, 0.4))
    first = promote(good, server)
    assert named(server) == {"champion": "1"}
    assert first.facts["decision"]["promoted"]
    refused = promote(bad, server)
    assert named(server) == {"champion": "1"}
    assert not refused.facts["decision"]["promoted"]
    assert refused.facts["champion"] == {"stage": None, "version": "1"}
    tags = version_tags("2", name=server.model, tracking_uri=server.uri)
    assert tags["promotion.decision"] == "not promoted"
    assert "version 1" in tags["promotion.reasons"]
    assert json.loads((tmp_path / "bad/reports/champion.json").read_text()) == refused.facts


def test_a_better_home_takes_the_alias_and_the_first_home_notices(tmp_path, server, pipelines, monkeypatch):
    first = make_home(tmp_path / "first", server, pipelines[0], 0.8)
    second = make_home(tmp_path / "second", server, pipelines[1], 0.4)
    truth = {"1": 0.8, "2": 0.4}
    monkeypatch.setattr(promotion, "_scored", lambda lake, number, *_: scores(number, truth[number]))
    claimed = promote(first, server)
    assert alias_problem(server, claimed) is None
    promote(second, server)
    assert named(server) == {"champion": "2", "previous": "1"}
    assert alias_problem(server, claimed) is not None
    again = promote(first, server)
    assert not again.facts["decision"]["promoted"]
    assert again.facts["champion"]["version"] == "2"
    assert alias_problem(server, again) is None
    assert named(server) == {"champion": "2", "previous": "1"}


@pytest.mark.parametrize("order", range(3))
def test_ten_versions_of_two_homes_in_random_order_end_at_the_best(
    tmp_path, server, pipelines, monkeypatch, order
):
    errors = [0.9 - 0.08 * step for step in range(10)]
    random.Random(order).shuffle(errors)
    by_number: dict[str, float] = {}
    monkeypatch.setattr(promotion, "_scored", lambda lake, number, *_: scores(number, by_number[number]))
    for turn, error in enumerate(errors):
        folder = tmp_path / f"pipeline-{turn}"
        # Ten weights that differ: the same pipeline with another name in its index.
        folder.mkdir()
        for path in pipelines[0].rglob("*"):
            target = folder / path.relative_to(pipelines[0])
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                target.write_bytes(path.read_bytes())
        (folder / "turn.json").write_text(json.dumps({"turn": turn}))
        home = make_home(tmp_path / ("ab"[turn % 2]), server, folder, error)
        by_number[str(turn + 1)] = error
        facts = promote(home, server).facts
        assert facts["decision"]["reasons"]
        assert facts["champion"]["version"] == named(server)["champion"]
    assert by_number[named(server)["champion"]] == min(errors)


def test_a_failed_check_moves_no_alias(tmp_path, server, pipelines):
    home = make_home(tmp_path / "home", server, pipelines[0], 0.4)
    facts = promote(home, server, failed=("nothing_leaks",)).facts
    assert named(server) == {}
    assert facts["champion"] == {"stage": None, "version": None}
    assert "nothing_leaks" in facts["decision"]["reasons"][0]


def test_the_champion_of_another_home_is_scored_on_this_suite(tmp_path, server, pipelines):
    promote(make_home(tmp_path / "first", server, pipelines[0], 0.4), server)
    home = make_home(tmp_path / "second", server, pipelines[1], 0.1)
    facts = promote(home, server).facts
    assert facts["decision"]["over_champion"] is not None
    assert len(list((tmp_path / "second" / BENCH / "outputs/version-1").glob("*.png"))) == len(items())


def test_a_champion_that_cannot_be_scored_stops_the_promotion(tmp_path, server, pipelines):
    promote(make_home(tmp_path / "first", server, pipelines[0], 0.4), server)
    folder = version_folder("1", name=server.model, tracking_uri=server.uri)
    (folder / "model_index.json").unlink()
    home = make_home(tmp_path / "second", server, pipelines[1], 0.1)
    with pytest.raises(UnscoredChampionError) as raised:
        promote(home, server)
    assert raised.value.version == "1"
    assert named(server) == {"champion": "1"}
