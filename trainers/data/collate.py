"""From rows of a mixture to the tensors of one batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import torch

from trainers.data.cache import TensorCache


@dataclass(frozen=True)
class Batch:
    """Tensors of one bucket. All samples share the shapes of target and references.

    Attributes:
        sample_ids: of the rows, B of them.
        target: clean latents (B, C, h, w).
        references: latents in prompt order, each (B, C, h_i, w_i).
        text: token states (B, T, D), zero on padding.
        text_mask: (B, T) bool.
    """

    sample_ids: Sequence[str]
    target: torch.Tensor
    references: Sequence[torch.Tensor]
    text: torch.Tensor
    text_mask: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        """Returns the batch with its tensors on a device."""
        return Batch(
            sample_ids=self.sample_ids,
            target=self.target.to(device),
            references=[reference.to(device) for reference in self.references],
            text=self.text.to(device),
            text_mask=self.text_mask.to(device),
        )

    def repeat(self, times: int) -> "Batch":
        """Returns each sample `times` times in a row."""
        return Batch(
            sample_ids=[sample_id for sample_id in self.sample_ids for _ in range(times)],
            target=self.target.repeat_interleave(times, 0),
            references=[reference.repeat_interleave(times, 0) for reference in self.references],
            text=self.text.repeat_interleave(times, 0),
            text_mask=self.text_mask.repeat_interleave(times, 0),
        )


def collate(rows: pl.DataFrame, texts: TensorCache, latents: TensorCache) -> Batch:
    """Returns the batch of some rows of a mixture, which must share a bucket.

    Raises:
        CacheError: a cache lacks what a row names.
        ValueError: the rows' tensors differ in shape: their bucket key lies.
    """
    text, mask = pad([texts.get(key) for key in rows["text_key"]])
    sources = rows["source_keys"].to_list()
    count = len(sources[0])
    if any(len(keys) != count for keys in sources):
        raise ValueError(f"Rows of bucket {rows['bucket'][0]} have different numbers of references.")
    return Batch(
        sample_ids=rows["sample_id"].to_list(),
        target=stack(rows["target_key"].to_list(), latents),
        references=[stack([keys[place] for keys in sources], latents) for place in range(count)],
        text=text,
        text_mask=mask,
    )


def stack(keys: Sequence[str], latents: TensorCache) -> torch.Tensor:
    """Returns latents (B, C, h, w) of equal shape.

    Raises:
        ValueError: they differ in shape; the transformer would silently use the first one's positions.
    """
    tensors = [latents.get(key) for key in keys]
    for key, tensor in zip(keys, tensors, strict=True):
        if tensor.shape != tensors[0].shape:
            raise ValueError(
                f"{key} is {tuple(tensor.shape)}, but {keys[0]} in the same batch is "
                f"{tuple(tensors[0].shape)}. Give them different bucket keys."
            )
    return torch.stack(tensors).float()


def pad(states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns (B, T, D) float32 and mask (B, T) of token states (T_i, D), zero-padded to the longest."""
    text = torch.nn.utils.rnn.pad_sequence([state.float() for state in states], batch_first=True)
    lengths = torch.tensor([len(state) for state in states])
    return text, torch.arange(text.shape[1]).unsqueeze(0) < lengths.unsqueeze(1)
