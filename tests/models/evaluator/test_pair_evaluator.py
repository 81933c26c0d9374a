import json

import pytest
import torch

from models.common.weights import ArchitectureError
from models.evaluator.pair_evaluator import load_evaluator, new_evaluator, save_evaluator

GENERATOR = torch.Generator().manual_seed(0)
SOURCE = torch.rand(5, 3, 64, 64, generator=GENERATOR) * 2 - 1
TARGET = torch.rand(5, 3, 64, 64, generator=GENERATOR) * 2 - 1
INSTRUCTION = torch.nn.functional.normalize(torch.randn(5, 384, generator=GENERATOR), dim=1)


def test_scores_are_probabilities_one_a_pair():
    scores = new_evaluator(0).score(SOURCE, TARGET, INSTRUCTION)
    assert scores.shape == (5,)
    assert ((scores > 0) & (scores < 1)).all()


def test_a_score_depends_on_both_pictures_and_on_the_instruction():
    model = new_evaluator(0)
    score = model.score(SOURCE, TARGET, INSTRUCTION)
    assert not torch.allclose(score, model.score(SOURCE.flip(0), TARGET, INSTRUCTION))
    assert not torch.allclose(score, model.score(SOURCE, TARGET.flip(0), INSTRUCTION))
    assert not torch.allclose(score, model.score(SOURCE, TARGET, INSTRUCTION.flip(0)))


def test_a_pair_scores_the_same_alone_and_in_a_batch():
    model = new_evaluator(0)
    alone = model.score(SOURCE[:1], TARGET[:1], INSTRUCTION[:1])
    assert torch.allclose(alone, model.score(SOURCE, TARGET, INSTRUCTION)[:1], atol=1e-5)


def test_other_sizes_than_the_trained_one_are_scored():
    assert new_evaluator(0).score(SOURCE[..., :48], TARGET[..., :48], INSTRUCTION).shape == (5,)


def test_scoring_a_single_edit_under_many_requests_equals_scoring_it_under_each():
    model = new_evaluator(0)
    with torch.no_grad():
        edits, requests = model.see(SOURCE, TARGET), model.understand(INSTRUCTION)
        table = torch.sigmoid(model.judge(edits[:, None], requests[None]))
    assert torch.allclose(table.diagonal(), model.score(SOURCE, TARGET, INSTRUCTION), atol=1e-5)


def test_a_saved_evaluator_comes_back_with_the_same_scores(tmp_path):
    model = new_evaluator(3)
    save_evaluator(model, tmp_path)
    again = load_evaluator(tmp_path)
    assert again.score(SOURCE, TARGET, INSTRUCTION).equal(model.score(SOURCE, TARGET, INSTRUCTION))


def test_a_folder_with_another_architecture_is_refused(tmp_path):
    save_evaluator(new_evaluator(0), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "qwen3-vl"}))
    with pytest.raises(ArchitectureError) as caught:
        load_evaluator(tmp_path)
    assert caught.value.found == "qwen3-vl"
