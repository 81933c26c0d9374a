"""Turns rows of a mixture into the tensors of one batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import torch

from trainers.data.cache import TensorCache


class MixedBucketError(ValueError):
    """The rows of one batch have tensors of different shapes, so their bucket key is wrong.

    Attributes:
        bucket: bucket key that the rows share; None if it is not known.
        key: a tensor that differs from the first one; None if the number of references differs.
        shape: shape of that tensor.
    """

    def __init__(
        self, message: str, *, bucket: str | None = None, key: str | None = None, shape: Sequence[int] = ()
    ) -> None:
        self.bucket, self.key, self.shape = bucket, key, tuple(shape)
        super().__init__(message)


@dataclass(frozen=True)
class Batch:
    """Tensors of one bucket. All samples share the shapes of target and references.

    Attributes:
        sample_ids: ids of the B rows.
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
        """Returns the batch with each sample repeated `times` times in a row."""
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
        CacheError: a cache lacks a tensor that a row names.
        MixedBucketError: the rows' tensors differ in number or shape.
    """
    text, mask = pad([texts.get(key) for key in rows["text_key"]])
    sources = rows["source_keys"].to_list()
    count = len(sources[0])
    if any(len(keys) != count for keys in sources):
        bucket = rows["bucket"][0]
        raise MixedBucketError(
            f"Rows of bucket {bucket} have different numbers of references. Give them different bucket keys.",
            bucket=bucket,
        )
    return Batch(
        sample_ids=rows["sample_id"].to_list(),
        target=stack(rows["target_key"].to_list(), latents),
        references=[stack([keys[index] for keys in sources], latents) for index in range(count)],
        text=text,
        text_mask=mask,
    )


def stack(keys: Sequence[str], latents: TensorCache) -> torch.Tensor:
    """Returns latents (B, C, h, w) of equal shape.

    Raises:
        MixedBucketError: they differ in shape.
    """
    # diffusers' QwenImageTransformer2DModel computes the positions of a whole batch from the `img_shapes` of
    # its first sample, so other shapes would be silently wrong.
    tensors = [latents.get(key) for key in keys]
    for key, tensor in zip(keys, tensors, strict=True):
        if tensor.shape != tensors[0].shape:
            raise MixedBucketError(
                f"{key} has shape {tuple(tensor.shape)}, but {keys[0]} in the same batch has "
                f"{tuple(tensors[0].shape)}. Give them different bucket keys.",
                key=key,
                shape=tensor.shape,
            )
    return torch.stack(tensors).float()


def pad(states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns token states (T_i, D) zero-padded to (B, T, D) float32, and their mask (B, T)."""
    text = torch.nn.utils.rnn.pad_sequence([state.float() for state in states], batch_first=True)
    lengths = torch.tensor([len(state) for state in states])
    return text, torch.arange(text.shape[1]).unsqueeze(0) < lengths.unsqueeze(1)
