import json

import pytest
import torch
from toy_run import EDITOR, read_weights, stage_run, train_here

from models.editor.config import EditorConfig
from models.editor.transformer import build_editor
from trainers.checkpoints import (
    TrainProgress,
    checkpoints,
    is_readable,
    load_checkpoint,
    newest_readable,
    save_checkpoint,
)
from trainers.identity import Layout
from trainers.metrics_file import read_metrics
from trainers.strategies.deepspeed import DeepSpeedStrategy


@pytest.fixture
def engine(one_rank, tmp_path):
    return new_engine(tmp_path, seed=0)


def new_engine(tmp_path, seed):
    config = stage_run(tmp_path, "pretrain", tmp_path).config
    return DeepSpeedStrategy(build_editor(EditorConfig(**EDITOR), seed), config, world_size=1)


def save(folder, engine, step, keep=3):
    state = {"old.weight": torch.full((2,), float(step))}
    save_checkpoint(
        folder, TrainProgress(step, 1.5), engine, state=state, rank=0, keep=keep, layout=Layout(1, 2)
    )


def test_a_checkpoint_brings_everything_back(engine, tmp_path):
    save(tmp_path / "c", engine, 4)
    other = new_engine(tmp_path, seed=1)
    position, state = load_checkpoint(tmp_path / "c", other, rank=0)
    assert position == TrainProgress(4, 1.5)
    assert state["old.weight"].tolist() == [4, 4]
    one, two = engine.full_weights(), other.full_weights()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_no_checkpoint_is_a_start(engine, tmp_path):
    assert load_checkpoint(tmp_path / "none", engine, rank=0) is None


def test_only_the_newest_are_kept_and_latest_names_the_last(engine, tmp_path):
    for step in (2, 4, 6):
        save(tmp_path, engine, step, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000004", "step-00000006"]
    assert (tmp_path / "latest").read_text() == "step-00000006"


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest", "extra"])
def test_a_damaged_checkpoint_is_passed_over(engine, tmp_path, damage):
    for step in (2, 4):
        save(tmp_path, engine, step)
    newest = tmp_path / "step-00000004"
    victim = max(newest.iterdir(), key=lambda path: path.stat().st_size)
    if damage == "truncate":
        victim.write_bytes(victim.read_bytes()[:-10])
    elif damage == "flip":
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(bytes(data))
    elif damage == "remove":
        victim.unlink()
    elif damage == "manifest":
        (newest / "manifest.json").write_text("{")
    else:
        (newest / "extra").write_text("")
    assert not is_readable(newest)
    assert newest_readable(tmp_path).name == "step-00000002"


def test_a_write_that_was_killed_is_not_a_checkpoint(engine, tmp_path):
    save(tmp_path, engine, 2)
    engine.save(tmp_path, ".unfinished")  # the kill came before manifest and rename
    assert newest_readable(tmp_path).name == "step-00000002"
    save(tmp_path, engine, 4)
    assert newest_readable(tmp_path).name == "step-00000004"
    assert not (tmp_path / ".unfinished").exists()


def test_a_run_whose_newest_checkpoint_is_torn_ends_at_the_same_bits(one_rank, toy_data, tmp_path):
    straight, torn = tmp_path / "straight", tmp_path / "torn"
    assert train_here(stage_run(toy_data, "sft", straight))
    run = stage_run(toy_data, "sft", torn)
    assert not train_here(run, stop_at=4)
    newest = torn / "checkpoints" / "step-00000004"
    next(newest.glob("*optim_states.pt")).write_bytes(b"torn")
    assert train_here(run)
    expected, found = read_weights(straight), read_weights(torn)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert [line["step"] for line in read_metrics(torn / "metrics.jsonl")] == list(range(7))
    assert is_readable(newest), "the torn checkpoint has been made again"


def test_the_manifest_names_every_file(engine, tmp_path):
    save(tmp_path, engine, 2)
    folder = tmp_path / "step-00000002"
    listed = set(json.loads((folder / "manifest.json").read_text())["files"])
    assert listed == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert "trainer-rank0.safetensors" in listed
