import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from models.evaluator.pair_evaluator import new_evaluator
from trainers.small.config import EvaluatorTrainingConfig
from trainers.small.evaluator import (
    EvaluatorExamples,
    SingleClassError,
    auc,
    contrastive_loss,
    evaluator_auc,
    score_pairs,
    train_evaluator,
)

TINY = EvaluatorTrainingConfig(
    steps=4,
    batch_size=8,
    learning_rate=2e-3,
    warmup_steps=2,
    weight_decay=0.01,
    checkpoint_every=2,
    threads=1,
    seed=0,
)


def silent(what, done, total):
    pass


def examples(count: int) -> EvaluatorExamples:
    """Pictures made darker, made brighter or inverted; an instruction for each, the other one's as a lie."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(30, 200, (count, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    kind = np.arange(count) % 3
    changed = np.stack([(p * 0.6, p * 1.25, 255 - p)[k] for p, k in zip(coarse, kind, strict=True)])
    vectors = generator.normal(size=(3, 384)).astype(np.float32)
    return EvaluatorExamples(
        images=np.concatenate([coarse, changed]).astype(np.uint8),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        source=np.arange(count),
        target=np.arange(count) + count,
        own=kind,
        other=(kind + 1) % 3,
        edit=kind,
        describes=np.eye(3, dtype=bool),
    )


@pytest.mark.slow
def test_a_trained_evaluator_tells_followed_from_perturbed_instructions_of_unseen_pictures(tmp_path):
    config = TINY.model_copy(update={"steps": 60, "batch_size": 24})
    every = examples(120)
    unseen = EvaluatorExamples(
        **{**vars(every), **{n: vars(every)[n][90:] for n in ("source", "target", "own", "other", "edit")}}
    )
    seen = EvaluatorExamples(
        **{**vars(every), **{n: vars(every)[n][:90] for n in ("source", "target", "own", "other", "edit")}}
    )
    assert evaluator_auc(train_evaluator(seen, config, tmp_path, silent), unseen) > 0.95


@pytest.mark.parametrize("masked_input", ["pictures", "instruction"])
def test_a_probe_that_sees_one_side_cannot_tell_them_apart(tmp_path, masked_input):
    every = examples(24)
    probe = train_evaluator(every, TINY, tmp_path, silent, masked_input=masked_input)
    assert evaluator_auc(probe, every, masked_input=masked_input) == pytest.approx(0.5, abs=1e-6)


def test_a_killed_training_ends_in_the_same_bits(tmp_path):
    def kill(what, done, total):
        if done == 3:
            raise KeyboardInterrupt

    every = examples(24)
    with pytest.raises(KeyboardInterrupt):
        train_evaluator(every, TINY, tmp_path / "a", kill)
    resumed = train_evaluator(every, TINY, tmp_path / "a", silent).state_dict()
    whole = train_evaluator(every, TINY, tmp_path / "b", silent).state_dict()
    assert all(whole[name].equal(resumed[name]) for name in whole)


def test_a_probe_does_not_go_on_from_the_evaluators_checkpoint(tmp_path):
    every = examples(24)
    train_evaluator(every, TINY, tmp_path, silent)
    fresh = train_evaluator(every, TINY, tmp_path / "b", silent, masked_input="pictures").state_dict()
    after = train_evaluator(every, TINY, tmp_path, silent, masked_input="pictures").state_dict()
    assert all(fresh[name].equal(after[name]) for name in fresh)


def test_pairs_are_scored_in_order_whatever_their_number():
    every, model = examples(300), new_evaluator(0)
    instructions = every.vectors[every.own]
    whole = score_pairs(
        model, every.images, source=every.source, target=every.target, instructions=instructions
    )
    last = score_pairs(
        model,
        every.images,
        source=every.source[-1:],
        target=every.target[-1:],
        instructions=instructions[-1:],
    )
    assert whole.shape == (300,)
    assert whole[-1] == pytest.approx(last[0], abs=1e-5)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
        lambda rows: len({positive for _, positive in rows}) == 2
    )
)
def test_auc_equals_that_of_scikit_learn(rows):
    scores, positive = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_auc_of_one_class_is_refused():
    with pytest.raises(SingleClassError) as raised:
        auc(np.array([0.1, 0.2]), np.array([True, True]))
    assert (raised.value.positives, raised.value.negatives) == (2, 0)


def test_contrastive_loss_with_one_right_answer_each_is_cross_entropy():
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    right = torch.arange(4)
    expected = torch.nn.functional.cross_entropy(logits, right) + torch.nn.functional.cross_entropy(
        logits.T, right
    )
    assert contrastive_loss(logits, torch.eye(4, dtype=torch.bool)).item() == pytest.approx(
        expected.item() / 2
    )


def test_an_instruction_that_describes_the_edit_as_well_is_no_wrong_answer():
    logits = torch.tensor([[9.0, 9.0, -9.0], [9.0, 9.0, -9.0], [-9.0, -9.0, 9.0]])
    twins = torch.block_diag(torch.ones(2, 2), torch.ones(1, 1)).bool()
    assert contrastive_loss(logits, twins).item() == pytest.approx(0, abs=1e-6)
    assert contrastive_loss(logits, torch.eye(3, dtype=torch.bool)).item() > 0.4
