"""A moving average of the weights (report 3.5 and 3.8) in float32, sharded like the optimizer state."""

import torch


def ema_decay(step: int, decay: float) -> float:
    """Returns the decay after `step` steps t: (1 + t) / (10 + t), but at most `decay`."""
    return min(decay, (1 + step) / (10 + step))


class WeightAverage:
    """The moving average of this rank's master shards."""

    def __init__(self, masters: list[torch.Tensor], decay: float) -> None:
        # Float32: in bfloat16 an average with decay 0.999 was still 1.0 after 1,000 steps, not 1.0126.
        self.shards = [master.detach().float().clone() for master in masters]
        self._decay = decay

    def update(self, masters: list[torch.Tensor], step: int) -> None:
        """Moves the average towards the weights after optimizer step `step`, counted from 1."""
        share = 1.0 - ema_decay(step, self._decay)
        for shard, master in zip(self.shards, masters, strict=True):
            shard.lerp_(master.detach(), share)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the tensors for a checkpoint."""
        return {f"ema.{index}": shard for index, shard in enumerate(self.shards)}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Restores the average from a checkpoint."""
        for index, shard in enumerate(self.shards):
            shard.copy_(state[f"ema.{index}"])
