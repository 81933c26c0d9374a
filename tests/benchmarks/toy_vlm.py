"""Vision-language models of a few thousand weights, of the families that a judge may be of."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForImageTextToText,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
)

SPECIAL = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
FAMILIES = {"qwen2_vl": Qwen2VLConfig, "qwen2_5_vl": Qwen2_5_VLConfig, "qwen3_vl": Qwen3VLConfig}


def save_tokenizer(folder: Path) -> dict[str, int]:
    """Writes a tokenizer of single bytes, and returns the ids of its special tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return {name: tokenizer.token_to_id(name) for name in SPECIAL}


def save_vlm(folder: Path, family: str = "qwen2_vl") -> Path:
    """Returns the folder of a checkpoint with random weights."""
    folder.mkdir(parents=True)
    ids = save_tokenizer(folder)
    rope = {"rope_type": "default", "type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
    text: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "intermediate_size": 48, "vocab_size": 256 + len(SPECIAL), "head_dim": 16, "rope_parameters": rope,
        "rope_scaling": rope, "max_position_embeddings": 4096, "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip
    vision: dict[str, Any] = {
        "depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
        **{
            "qwen2_vl": {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2},
            "qwen2_5_vl": {"hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32},
            "qwen3_vl": {
                "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32,
                "deepstack_visual_indexes": [0], "num_position_embeddings": 16,
            },
        }[family],
    }  # fmt: skip
    config = FAMILIES[family](
        text_config=text, vision_config=vision, image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForImageTextToText.from_config(config)
    model.save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=56 * 56).save_pretrained(folder)
    return folder
