"""The flow-matching stages (report 3.3 to 3.5): pre-training, continued pre-training, fine-tuning."""

import torch

from trainers.config import PretrainConfig, SftConfig
from trainers.ema import WeightAverage
from trainers.stages.stage import Stage, StageContext
from trainers.strategies.deepspeed import DeepSpeedStrategy
from trainers.timesteps import curriculum_exponent


class Pretrain(Stage):
    """Flow matching with noise levels that start high and become uniform (report 3.3)."""

    def __init__(self, context: StageContext, config: PretrainConfig, strategy: DeepSpeedStrategy) -> None:
        super().__init__(context, config, strategy)
        self._initial = config.initial_exponent

    def exponent(self, step: int) -> float:
        """Returns the curriculum's exponent at a step."""
        return curriculum_exponent(step, self.context.schedule_steps, self._initial)


class ContinuedPretrain(Stage):
    """Flow matching at uniform noise levels. `balance_by`, which CtConfig requires, defines the clusters.

    The demo balances by template. Balanced by category, half of all draws were text-to-image, because three
    of the six categories are (docs/log.md).
    """


class SupervisedFinetune(Stage):
    """Flow matching whose result is the moving average of the weights (report 3.5)."""

    def __init__(self, context: StageContext, config: SftConfig, strategy: DeepSpeedStrategy) -> None:
        super().__init__(context, config, strategy)
        self._average = WeightAverage(strategy.master_shards(), config.ema_decay)

    def finish_step(self, strategy: DeepSpeedStrategy, step: int) -> None:
        """Updates the average of the weights."""
        self._average.update(strategy.master_shards(), step + 1)

    def result_shards(self) -> list[torch.Tensor]:
        """Returns the averaged weights."""
        return self._average.shards

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the average for checkpoints."""
        return self._average.state()

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Restores the average from a checkpoint."""
        self._average.restore(state)
