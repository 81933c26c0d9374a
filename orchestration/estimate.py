"""Estimates the parameters of an editor and the memory of a training rank, from the config alone."""

from typing import NamedTuple

from models.editor.config import EditorConfig
from models.editor.geometry import PATCH
from trainers.config import StageConfig

GIB = 2**30
TIME_CHANNELS = 256
MASTER_BYTES = 12
"""Bytes per parameter: AdamW keeps master weights and two moments in float32."""


class RankMemory(NamedTuple):
    """Memory of one rank in GiB, without activations.

    Attributes:
        training: weights, gradients and optimizer state, as ZeRO shards them.
        frozen: a second model that is not trained: the reference model of DPO or the old policy of NFT.
        gathered: two copies of the whole model in float32, while the result of a stage is assembled.
    """

    training: float
    frozen: float
    gathered: float


def parameter_count(editor: EditorConfig) -> int:
    """Returns the number of parameters of diffusers' QwenImageTransformer2DModel with this config."""
    width, token = editor.heads * editor.head_dim, editor.latent_channels * PATCH**2
    time = (TIME_CHANNELS + 1) * width + (width + 1) * width
    inputs = (token + 1) * width + editor.text_dim + (editor.text_dim + 1) * width
    modulation = 2 * 6 * (width + 1) * width
    attention = 8 * (width + 1) * width + 4 * editor.head_dim
    mlps = 2 * ((width + 1) * 4 * width + (4 * width + 1) * width)
    output = (width + 1) * 2 * width + (width + 1) * token
    return time + inputs + editor.layers * (modulation + attention + mlps) + output


def rank_memory(editor: EditorConfig, stage: StageConfig, ranks: int) -> RankMemory:
    """Returns the minimum memory of a rank in a stage, without activations."""
    parameters = parameter_count(editor) / GIB
    size = 2 if stage.precision == "bf16" else 4
    shares = [1 if stage.zero_stage < first else ranks for first in (3, 2, 1)]
    parts = (size, size, MASTER_BYTES)
    training = sum(parameters * part / share for part, share in zip(parts, shares, strict=True))
    frozen = {"dpo": size, "nft": 4}.get(getattr(stage, "stage", ""), 0)
    return RankMemory(training, parameters * frozen, parameters * 2 * 4)
