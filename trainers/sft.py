"""Supervised fine-tuning (report 3.5): balanced data, small steps, an average of the weights as result."""

import torch

from trainers.config import SftConfig
from trainers.ema import WeightAverage
from trainers.stage import Context, Stage
from trainers.strategy import Engine


class SupervisedFinetune(Stage):
    """Flow matching whose result is the moving average of the weights."""

    def __init__(self, context: Context, config: SftConfig, engine: Engine) -> None:
        super().__init__(context, config)
        self._average = WeightAverage(engine.master_shards(), config.ema_decay)

    def finish_step(self, engine: Engine, step: int) -> None:
        """Moves the average."""
        self._average.update(engine.master_shards(), step + 1)

    def result_shards(self) -> list[torch.Tensor]:
        """Returns the average."""
        return self._average.shards

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the average, for checkpoints."""
        return self._average.state()

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Takes the average back from a checkpoint."""
        self._average.restore(state)
