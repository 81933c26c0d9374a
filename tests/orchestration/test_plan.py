from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestration.automation import JOBS
from orchestration.cli import main
from orchestration.definitions import build_definitions
from orchestration.plan import plan
from orchestration.profile import PROFILES, load_profile
from orchestration.selection import job_selection

EVERY_PROFILE = sorted(path.stem for path in PROFILES.glob("*.yaml"))


def planned(folder: Path, name: str, job: str = "all"):
    return plan(load_profile(name), folder / "home", job_selection(job))


def test_there_are_profiles_from_a_laptop_to_a_cluster():
    assert EVERY_PROFILE == ["cluster", "demo", "workstation"]


@pytest.mark.parametrize("name", EVERY_PROFILE)
def test_a_plan_touches_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["run", "--profile", name, "--plan"], catch_exceptions=False)
    assert done.exit_code == 0
    assert not list(tmp_path.iterdir())
    profile = load_profile(name)
    graph = build_definitions(profile, tmp_path).resolve_asset_graph()
    absent = {"demo_corpus"} if profile.demo is None else set()
    listed = {key.path[-1] for key in graph.get_all_asset_keys()} - absent
    assert all(asset[:10] in done.output for asset in listed)


def test_where_nothing_was_made_everything_is_due_in_the_order_of_the_lineage(tmp_path):
    rows = planned(tmp_path, "demo")
    assert {row.state for row in rows} == {"due"}
    order = [row.asset for row in rows]
    graph = build_definitions(load_profile("demo"), tmp_path).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            assert order.index(parent.path[-1]) < order.index(key.path[-1])


def test_the_parts_of_the_lineage_make_up_the_whole(tmp_path):
    parts = [row.asset for job in JOBS if job != "all" for row in planned(tmp_path, "demo", job)]
    whole = [row.asset for row in planned(tmp_path, "demo")]
    assert sorted(parts) == sorted(whole)


def test_the_plan_of_the_cluster_says_where_it_runs_and_what_it_needs(tmp_path):
    rows = {row.asset: row for row in planned(tmp_path, "cluster")}
    assert rows["measured"].runs_on == "pool, 96 workers"
    assert "collected: s3://emberline-corpora/collected" in rows["raw_images"].needs
    assert any("AWS_SECRET_ACCESS_KEY" in need for need in rows["raw_images"].needs)
    assert "Qdrant: http://qdrant:6333" in rows["coverage"].needs
    assert rows["ct"].runs_on == "8 ranks, ZeRO stage 3, bf16"
    assert "65,000 steps of 64 samples at 1024 px" in rows["ct"].needs
    assert "MLflow: http://mlflow:5000" in rows["champion"].needs
    assert any("GiB per rank" in need for need in rows["dpo"].needs)


def test_the_cluster_carries_table_1_of_the_report():
    profile = load_profile("cluster")
    stages = ("pretrain", "ct", "sft", "dpo", "nft")
    settings = [getattr(profile.training, stage) for stage in stages]
    mixtures = [profile.mixtures.stages[stage] for stage in stages]
    assert [one.steps for one in settings] == [300_000, 65_000, 5_000, 5_000, 500]
    assert [one.warmup_steps for one in settings] == [0, 0, 500, 500, 0]
    assert {(one.betas, one.gradient_clip, one.weight_decay) for one in settings} == {
        ((0.9, 0.999), 1.0, 0.01)
    }
    captions = [(c.original, c.structured, c.instructive) for c in (one.captions for one in mixtures)]
    assert captions == [
        (0.55, 0.40, 0.05),
        (0.20, 0.60, 0.20),
        (0.10, 0.45, 0.45),
        (0.10, 0.30, 0.60),
        (0.10, 0.30, 0.60),
    ]
    shares = [one.origins.collected / one.origins.synthesized for one in mixtures]
    assert shares == pytest.approx([100 / 5, 5 / 10, 50 / 50, 10 / 50, 10 / 10])
    ranges = [(384, 512), (512, 1024), (1024, 1024), (1024, 1024), (1024, 1024)]
    assert all(low <= one.side <= high for one, (low, high) in zip(mixtures, ranges, strict=True))
    editor = profile.training.trainer.editor
    assert (editor.layers, editor.heads, editor.head_dim, editor.rope_axes) == (60, 24, 128, (16, 56, 56))
