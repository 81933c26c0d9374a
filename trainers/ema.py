"""A moving average of the weights (report 3.5 and 3.8), in float32 and sharded like the optimizer."""

import torch


def ema_decay(step: int, decay: float) -> float:
    """Returns the decay after `step` steps: (1 + t) / (10 + t) until that reaches `decay`."""
    return min(decay, (1 + step) / (10 + step))


class WeightAverage:
    """The average of this rank's master shards. In bfloat16 a decay of 0.999 would never move at all."""

    def __init__(self, masters: list[torch.Tensor], decay: float) -> None:
        self.shards = [master.detach().float().clone() for master in masters]
        self._decay = decay

    def update(self, masters: list[torch.Tensor], step: int) -> None:
        """Moves the average towards the weights after optimizer step `step`, counted from 1."""
        share = 1.0 - ema_decay(step, self._decay)
        for shard, master in zip(self.shards, masters, strict=True):
            shard.lerp_(master.detach(), share)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns what a checkpoint keeps."""
        return {f"ema.{place}": shard for place, shard in enumerate(self.shards)}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Takes the average back from a checkpoint."""
        for place, shard in enumerate(self.shards):
            shard.copy_(state[f"ema.{place}"])
