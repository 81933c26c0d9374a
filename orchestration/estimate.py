"""What training an editor takes, from its sizes alone: parameters, and memory of a rank."""

from typing import NamedTuple

from models.editor.config import PATCH, EditorConfig
from trainers.config import StageConfig

GIB = 2**30
TIME_CHANNELS = 256
MASTER_BYTES = 12
"""AdamW keeps weights and both moments in float32."""


class RankMemory(NamedTuple):
    """GiB that one rank holds, apart from activations.

    Attributes:
        training: weights, gradients and optimizer, as ZeRO shards them.
        frozen: a second model that does not train: DPO's reference, NFT's old policy.
        gathered: the whole model in float32, twice, while a stage's result is put together.
    """

    training: float
    frozen: float
    gathered: float


def parameter_count(editor: EditorConfig) -> int:
    """Returns the parameters of the transformer of this size (diffusers' QwenImageTransformer2DModel)."""
    width, token = editor.heads * editor.head_dim, editor.latent_channels * PATCH**2
    time = (TIME_CHANNELS + 1) * width + (width + 1) * width
    inputs = (token + 1) * width + editor.text_dim + (editor.text_dim + 1) * width
    modulation = 2 * 6 * (width + 1) * width
    attention = 8 * (width + 1) * width + 4 * editor.head_dim
    mlps = 2 * ((width + 1) * 4 * width + (4 * width + 1) * width)
    output = (width + 1) * 2 * width + (width + 1) * token
    return time + inputs + editor.layers * (modulation + attention + mlps) + output


def rank_memory(editor: EditorConfig, stage: StageConfig, ranks: int) -> RankMemory:
    """Returns the least memory of a rank in a stage, activations apart."""
    parameters = parameter_count(editor) / GIB
    size = 2 if stage.precision == "bf16" else 4
    shares = [1 if stage.zero_stage < first else ranks for first in (3, 2, 1)]
    parts = (size, size, MASTER_BYTES)
    training = sum(parameters * part / share for part, share in zip(parts, shares, strict=True))
    frozen = {"dpo": size, "nft": 4}.get(getattr(stage, "stage", ""), 0)
    return RankMemory(training, parameters * frozen, parameters * 2 * 4)
