"""Pre-training (report 3.3): text to image and edits mixed, high noise first."""

from trainers.config import PretrainConfig
from trainers.stage import Context, Stage
from trainers.timesteps import curriculum_exponent


class Pretrain(Stage):
    """Flow matching whose noise levels go from a bias to high noise over to uniform."""

    def __init__(self, context: Context, config: PretrainConfig) -> None:
        super().__init__(context, config)
        self._initial = config.initial_exponent

    def exponent(self, step: int) -> float:
        """Returns the curriculum's exponent at a step."""
        return curriculum_exponent(step, self.config.steps, self._initial)
