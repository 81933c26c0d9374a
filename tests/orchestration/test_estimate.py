import pytest
import torch

from models.editor.config import EditorConfig
from models.editor.transformer import build_editor
from orchestration.estimate import GIB, parameter_count, rank_memory
from orchestration.profile import load_profile

QWEN_IMAGE = EditorConfig(
    latent_channels=16,
    layers=60,
    heads=24,
    head_dim=128,
    text_dim=3584,
    rope_axes=(16, 56, 56),
    zero_cond_t=False,
)


@pytest.mark.parametrize(("layers", "heads", "text_dim"), [(1, 2, 12), (3, 1, 40), (2, 5, 7)])
def test_parameters_are_counted_as_the_model_has_them(layers, heads, text_dim):
    config = EditorConfig(
        latent_channels=4,
        layers=layers,
        heads=heads,
        head_dim=32,
        text_dim=text_dim,
        rope_axes=(8, 12, 12),
        zero_cond_t=False,
    )
    model = build_editor(config, seed=0)
    assert parameter_count(config) == sum(parameter.numel() for parameter in model.parameters())


def test_the_editor_of_the_report_has_twenty_billion_parameters():
    from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

    with torch.device("meta"):
        model = QwenImageTransformer2DModel()  # diffusers' defaults are Qwen-Image's sizes
    assert parameter_count(QWEN_IMAGE) == sum(parameter.numel() for parameter in model.parameters())
    assert round(parameter_count(QWEN_IMAGE) / 1e9, 1) == 20.4


def test_memory_is_sixteen_bytes_a_parameter_until_it_is_sharded():
    profile = load_profile("demo")
    sft = profile.training.sft.model_copy(update={"precision": "bf16"})
    size = parameter_count(QWEN_IMAGE) / GIB
    held = {
        zero: rank_memory(QWEN_IMAGE, sft.model_copy(update={"zero_stage": zero}), 8).training
        for zero in (1, 2, 3)
    }
    assert held == pytest.approx({1: size * 5.5, 2: size * 3.75, 3: size * 2.0})
    assert rank_memory(QWEN_IMAGE, sft, 1).training == pytest.approx(size * 16)


def test_a_stage_with_a_frozen_model_holds_it_whole():
    training = load_profile("demo").training
    size = parameter_count(QWEN_IMAGE) / GIB
    assert rank_memory(QWEN_IMAGE, training.ct, 8).frozen == 0
    assert rank_memory(QWEN_IMAGE, training.dpo, 8).frozen == pytest.approx(size * 4)
    assert rank_memory(QWEN_IMAGE, training.nft, 8).frozen == pytest.approx(size * 4)
    assert rank_memory(QWEN_IMAGE, training.dpo, 8).gathered == pytest.approx(size * 8)
