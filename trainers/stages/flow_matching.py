"""The flow-matching stages (report 3.3 to 3.5): pre-training, continued pre-training, fine-tuning."""

import torch

from trainers.config import PretrainConfig, SftConfig
from trainers.ema import WeightAverage
from trainers.stages.stage import Context, Stage
from trainers.strategies.deepspeed import Engine
from trainers.timesteps import curriculum_exponent


class Pretrain(Stage):
    """Flow matching whose noise levels go from a bias to high noise over to uniform."""

    def __init__(self, context: Context, config: PretrainConfig) -> None:
        super().__init__(context, config)
        self._initial = config.initial_exponent

    def exponent(self, step: int) -> float:
        """Returns the curriculum's exponent at a step."""
        return curriculum_exponent(step, self.config.steps, self._initial)


class ContinuedPretrain(Stage):
    """Flow matching at all noise levels; `balance_by`, which CtConfig demands, names the clusters."""


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
