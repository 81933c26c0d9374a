"""Our evaluator as a judge, and as the scorer of the demo's benchmark."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from benchmarks.judges.judge import JudgeRequest
from models.common.pixels import decode
from models.common.tensors import to_model_range
from models.common.thumbnail import resize_to_square
from models.common.weights import WEIGHTS
from models.evaluator.pair_evaluator import PairEvaluator, load_evaluator
from models.text_encoders.minilm import TextEncoder, load_text_encoder
from models.vlm.client import Answer, ReplyState


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

    def ask(self, request: JudgeRequest) -> Answer:
        """Returns the score as a reply; an instruction in a language that the encoder lacks is refused."""
        instruction = request.question.parts[0]
        if request.lang not in TextEncoder.languages:
            return Answer(
                ReplyState.REFUSED, note=f"the text encoder reads {', '.join(TextEncoder.languages)} only"
            )
        files = request.payload.files
        source, output = decode(files["source"]), decode(files["output"])
        with self._lock:
            score = self._scorer([source], [getattr(instruction, "text", "")], [output])[0]
        return Answer(ReplyState.OK, reply=json.dumps({"alignment": round(score, 6)}))


def _tensor(images: Sequence[np.ndarray]) -> torch.Tensor:
    return to_model_range(np.stack([resize_to_square(image) for image in images]))
