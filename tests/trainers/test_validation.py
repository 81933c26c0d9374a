import dataclasses

import pytest
import torch
from toy_run import EDITOR, stage_run

from models.editor.config import EditorConfig
from models.editor.transformer import build_editor
from trainers import validation
from trainers.data.sampler import EmptyMixtureError
from trainers.stages import stage
from trainers.stages.stage import StageContext, open_context
from trainers.validation import Validation


def context(toy_data, rank=0, world_size=1):
    return open_context(stage_run(toy_data, "pretrain", toy_data / "none"), rank, world_size)


def editor(seed):
    return build_editor(EditorConfig(**EDITOR), seed)


def test_figures_depend_on_the_model_alone(one_rank, toy_data):
    measured = Validation(context(toy_data)).measure(editor(0))
    assert Validation(context(toy_data)).measure(editor(0)) == measured
    other = Validation(context(toy_data)).measure(editor(1))
    assert other["validation_loss"] != measured["validation_loss"]
    assert other["validation_copy_error"] == measured["validation_copy_error"]


def test_ranks_share_the_rows_and_agree_on_the_figures(one_rank, toy_data, monkeypatch):
    parts = []
    whole = Validation(context(toy_data)).measure(editor(0))
    monkeypatch.setattr(validation, "sum_over_ranks", lambda values: parts.append(values) or values)
    for rank in range(2):
        Validation(context(toy_data, rank, 2)).measure(editor(0))
    loss, count, edit, copy, edits = map(sum, zip(*parts, strict=True))
    assert (count, edits) == (6, 4)
    assert loss / count == pytest.approx(whole["validation_loss"], rel=1e-5)
    assert edit / edits == pytest.approx(whole["validation_edit_error"], rel=1e-5)
    assert copy / edits == pytest.approx(whole["validation_copy_error"], rel=1e-5)


def test_only_held_out_rows_are_looked_at(one_rank, toy_data, monkeypatch):
    seen = []
    collate = StageContext.collate
    monkeypatch.setattr(
        StageContext, "collate", lambda self, rows: seen.extend(rows["split"]) or collate(self, rows)
    )
    Validation(context(toy_data)).measure(editor(0))
    assert set(seen) == {"heldout"}


def test_an_editor_that_knows_the_answer_has_no_error(one_rank, toy_data, monkeypatch):
    def oracle(model, noisy, references, *, text, text_mask, sigma):
        return torch.full_like(noisy, 0.5)

    monkeypatch.setattr(stage, "predict_velocity", oracle)
    monkeypatch.setattr(validation, "initial_noise", lambda keys, shape, seed: batch_target + 0.5)
    part = Validation(context(toy_data))
    batch_target = context(toy_data).collate(part._rows[:1]).target
    assert float(part._errors(editor(0), part._rows[:1]).max()) == pytest.approx(0, abs=1e-9)


def test_a_mixture_without_held_out_rows_is_an_error(one_rank, toy_data):
    whole = context(toy_data)
    train = whole.mixture.filter(whole.mixture["split"] == "train")
    with pytest.raises(EmptyMixtureError, match="no held-out row"):
        Validation(dataclasses.replace(whole, mixture=train))
