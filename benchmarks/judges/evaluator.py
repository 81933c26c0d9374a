"""Our evaluator as a judge, and as the scorer of the demo's benchmark: one way of looking at pictures."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from benchmarks.judges.judge import Answer, Request
from benchmarks.parsing.reading import State
from models.common.pixels import decode
from models.common.thumbnail import squeeze
from models.common.weights import WEIGHTS
from models.evaluator.pair_evaluator import PairEvaluator, load_evaluator
from models.text_encoders.minilm import TextEncoder, load_text_encoder


class EvaluatorScorer:
    """Scores (sources, instructions, outputs), 0 to 1, higher for a better edit."""

    def __init__(self, evaluator: PairEvaluator, encoder: TextEncoder) -> None:
        self._evaluator, self._encoder = evaluator, encoder

    def __call__(
        self, sources: Sequence[np.ndarray], instructions: Sequence[str], outputs: Sequence[np.ndarray]
    ) -> list[float]:
        """Returns the probability that each output is its source edited as instructed; any sizes."""
        vectors = self._encoder.embed(instructions)
        return self._evaluator.score(_tensor(sources), _tensor(outputs), vectors).tolist()


def load_scorer(folder: Path, text_encoder: Path | None) -> EvaluatorScorer:
    """Returns the scorer of a trained evaluator.

    Args:
        folder: of the evaluator.
        text_encoder: folder of the text encoder, None to look for an installed one.
    """
    return EvaluatorScorer(load_evaluator(folder), load_text_encoder(text_encoder))


class EvaluatorJudge:
    """Answers questions of the protocol `alignment`."""

    def __init__(self, folder: Path, text_encoder: Path | None) -> None:
        weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        self.identity = {"judge": "evaluator", "weights_sha256": weights}
        self._scorer, self._lock = load_scorer(folder, text_encoder), Lock()

    def ask(self, request: Request) -> Answer:
        """Returns the score as a reply; an instruction outside the encoder's languages is declined."""
        instruction = request.question.parts[0]
        if request.lang not in TextEncoder.languages:
            return Answer(
                State.REFUSED, note=f"the text encoder reads {', '.join(TextEncoder.languages)} only"
            )
        files = request.carried.files
        pictures = [decode(files["source"]), decode(files["output"])]
        with self._lock:
            score = self._scorer([pictures[0]], [getattr(instruction, "text", "")], [pictures[1]])[0]
        return Answer(State.OK, reply=json.dumps({"alignment": round(score, 6)}))


def _tensor(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    squares = np.stack([squeeze(picture) for picture in pictures])
    return torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 127.5 - 1
