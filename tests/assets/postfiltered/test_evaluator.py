import json

import numpy as np
import polars as pl
import pytest
from edit_tables import tables
from handed_on import hand_on

from assets.engine.measure import measure_shards, read_ledger
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED_PAIRS, EVALUATOR, FILTERED_PAIRS, POSTFILTERED
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS, empty
from assets.measured.thumbnail import THUMBNAIL
from assets.postfiltered import evaluator, score
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.decide import postfilter
from assets.postfiltered.evaluator import TRAINING_SET_PATH, train_pair_evaluator
from models.common.pixels import encode_png
from models.common.progress import silent
from models.common.seeding import numpy_generator
from models.evaluator.pair_evaluator import new_evaluator, save_evaluator
from trainers.small.config import EvaluatorTrainingConfig

TRAINING = EvaluatorTrainingConfig(
    steps=3,
    batch_size=8,
    learning_rate=1e-3,
    warmup_steps=1,
    weight_decay=0.01,
    checkpoint_every=2,
    threads=1,
    seed=0,
)
SCREEN = PostfilteredConfig(min_alignment=0.5, alignment_exempt=())


@pytest.fixture
def filled(lake: Lake, monkeypatch) -> Lake:
    """A lake with edits whose texts have made-up sentence vectors: the real encoder takes seconds."""

    def vectors(lake, texts, encoder_path, progress):
        return {
            text: numpy_generator(0, "sentence", text).normal(size=384).astype(np.float32) / 20
            for text in sorted(set(texts))
        }

    monkeypatch.setattr(evaluator, "sentence_vectors", vectors)
    monkeypatch.setattr(score, "sentence_vectors", vectors)
    pictures = numpy_generator(0, "pictures").integers(0, 256, (6, 70, 70, 3), dtype=np.uint8)
    images = [StoredImage(encode_png(picture), str(n), "t", "x") for n, picture in enumerate(pictures)]
    shards = ["images/b/shard-000.parquet", "images/b/shard-001.parquet"]
    for shard, part in zip(shards, (images[:3], images[3:]), strict=True):
        write_image_shard(lake, shard, part)
    measure_shards(lake, shards, [THUMBNAIL], workers=1, progress=silent)
    samples, texts = tables(42, [image.image_id for image in images])
    lake.write_table("samples/b.parquet", samples, SAMPLES)
    lake.write_table("texts/b.parquet", texts, TEXTS)
    for path in (FILTERED_PAIRS, DEDUPED_PAIRS):
        lake.write_table(path, empty(VERDICTS), VERDICTS)
    hand_on(lake)
    return lake


def test_the_evaluators_figures_come_with_its_shortcut_probes(filled):
    output = train_pair_evaluator(filled, TRAINING, None, silent)
    assert set(output.facts) == {
        "auc",
        "auc_instruction_only",
        "auc_pictures_only",
        "auc_by_perturbation",
        "pairs",
    }
    assert output.facts["auc_instruction_only"] == pytest.approx(0.5, abs=0.02)
    assert output.facts["auc_pictures_only"] == pytest.approx(0.5, abs=0.02)
    assert json.dumps(output.facts)
    assert all(filled.exists(path) for path in output.files)
    assert not filled.list(EVALUATOR, "checkpoint.safetensors")


def test_training_twice_leaves_the_same_bytes(filled):
    train_pair_evaluator(filled, TRAINING, None, silent)
    paths = [f"{EVALUATOR}/model.safetensors", TRAINING_SET_PATH]
    before = [filled.read_bytes(path) for path in paths]
    train_pair_evaluator(filled, TRAINING, None, silent)
    assert [filled.read_bytes(path) for path in paths] == before


def test_a_new_threshold_decides_again_without_scoring_again(filled):
    save_evaluator(new_evaluator(0), filled.local_path(EVALUATOR))
    arguments = {"encoder_path": None, "progress": silent}
    postfilter(filled, SCREEN.model_copy(update={"min_alignment": 0.0}), **arguments)
    assert filled.read_table(POSTFILTERED, VERDICTS)["kept"].all()
    before = read_ledger(filled)
    output = postfilter(filled, SCREEN.model_copy(update={"min_alignment": 1.0}), **arguments)
    assert output.facts["dropped"] == {"alignment": 42}
    assert read_ledger(filled).equals(before)


def test_an_alignment_is_the_mean_score_over_the_english_instructions(filled):
    import torch

    model = new_evaluator(0)
    save_evaluator(model, filled.local_path(EVALUATOR))
    scored = score.score_edits(filled, None, silent)
    assert scored.height == 42
    row = filled.read_table("samples/b.parquet").row(5, named=True)
    texts = filled.read_table("texts/b.parquet").filter(
        (pl.col("sample_id") == row["sample_id"]) & (pl.col("lang") == "en") & (pl.col("kind") != "original")
    )["text"]
    squares = filled.read_tables(
        "measures/thumbnail@1", {"id": pl.String(), "squeezed": pl.Binary(), "error": pl.String()}
    )
    square = {name: np.frombuffer(data, np.uint8) for name, data, _ in squares.iter_rows()}

    def planes(image_id):
        return torch.tensor(square[image_id].reshape(1, 64, 64, 3) / 127.5 - 1).permute(0, 3, 1, 2).float()

    vectors = [
        numpy_generator(0, "sentence", text).normal(size=384).astype(np.float32) / 20 for text in texts
    ]
    single = [
        model.score(planes(row["source_ids"][0]), planes(row["target_id"]), torch.tensor(vector[None])).item()
        for vector in vectors
    ]
    found = dict(scored.select("id", "alignment").iter_rows())[row["sample_id"]]
    assert found == pytest.approx(np.mean(single), abs=1e-5)
