import polars as pl
import pytest
import torch
from toy_run import PAIRS, stage_run

from models.editor.transformer import load_editor
from models.rewards.rewards import truth_reward
from trainers.stages import preferences
from trainers.stages.preferences import prepare_preferences
from trainers.stages.stage import open_context


def prepared(toy_data, pretrained, folder, **changes):
    run = stage_run(toy_data, "dpo", folder, pretrained, pairs={**PAIRS, **changes})
    context = open_context(run, 0, 1)
    return context, *prepare_preferences(context, run.config, load_editor(pretrained), folder / "preferences")


@pytest.fixture(scope="module")
def sampled(toy_data, pretrained, tmp_path_factory):
    return prepared(toy_data, pretrained, tmp_path_factory.mktemp("dpo"), expert_share=0.0)


def test_winners_are_closer_to_the_truth_than_losers(sampled):
    context, table, latents = sampled
    assert len(table) == 6
    targets = dict(context.mixture.select("sample_id", "target_key").iter_rows())
    for row in table.iter_rows(named=True):
        truth = context.latents.get(targets[row["sample_id"]])[None]
        winner, loser = (
            truth_reward(latents.get(row[key])[None], truth) for key in ("winner_key", "loser_key")
        )
        assert float(winner - loser) == pytest.approx(row["margin"], abs=1e-5)
        assert row["margin"] > 0


def test_pairs_are_of_training_edits(sampled):
    context, table, _ = sampled
    rows = context.mixture.filter(pl.col("sample_id").is_in(table["sample_id"].to_list()))
    assert set(rows["split"]) == {"train"}
    assert set(rows["task"]) == {"i2i"}
    assert table["sample_id"].is_unique().all()


def test_expert_winners_are_the_known_truth(toy_data, pretrained, tmp_path):
    context, table, latents = prepared(toy_data, pretrained, tmp_path, expert_share=1.0)
    targets = dict(context.mixture.select("sample_id", "target_key").iter_rows())
    for row in table.iter_rows(named=True):
        assert torch.equal(latents.get(row["winner_key"]), context.latents.get(targets[row["sample_id"]]))
        assert not torch.equal(latents.get(row["loser_key"]), latents.get(row["winner_key"]))


def test_pairs_are_made_once(toy_data, pretrained, tmp_path, monkeypatch):
    _, table, _ = prepared(toy_data, pretrained, tmp_path)
    monkeypatch.setattr(preferences, "roll_out", None)
    _, again, _ = prepared(toy_data, pretrained, tmp_path)
    assert again.equals(table)


def test_making_pairs_twice_gives_equal_bytes(toy_data, pretrained, tmp_path):
    for name in ("one", "two"):
        prepared(toy_data, pretrained, tmp_path / name)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one" / "preferences").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two" / "preferences").iterdir()}
    assert "preferences.parquet" in files
