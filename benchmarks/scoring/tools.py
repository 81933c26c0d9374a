"""The text metric and the tools of auxiliary metrics, from the options of `emberline bench`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from benchmarks.metrics.auxiliary import AuxiliaryTools
from benchmarks.metrics.text.metric import TextMetric
from benchmarks.metrics.text.score import DEFAULT_WEIGHTS, TextWeights
from benchmarks.metrics.text.targets import read_targets, targets_of_items
from benchmarks.suites.item import SuiteError
from benchmarks.suites.suite import Suite
from models.faces.opencv_faces import FaceWeightsError, OpenCvFaces, weights_in
from models.ocr.text_reader import PpOcrReader

if TYPE_CHECKING:  # both load torch, which a run of stored replies has no use for
    from models.descriptors.copy_descriptor import CopyDescriptor
    from models.similarity.lpips import Lpips

KINDS = ("faces", "descriptor", "lpips")


def text_metric(suite: Suite, file: Path | None, weights: str | None) -> TextMetric | None:
    """Returns the text metric of a run; None where no text is known that should be readable.

    Args:
        suite: whose items may say themselves what has to be readable.
        file: targets from `emberline targets`, which then count instead.
        weights: three numbers for edits, completion and words, as in `0.4,0.3,0.3`; None: ours.

    Raises:
        SuiteError: the file or the weights are not as they should be.
    """
    targets = targets_of_items(suite.items) if file is None else read_targets(file)
    chosen = DEFAULT_WEIGHTS if weights is None else _weights(weights)
    return TextMetric(targets, PpOcrReader(), chosen) if targets or file is not None else None


def auxiliary_tools(weights: Sequence[str]) -> AuxiliaryTools:
    """Returns faces, descriptor and LPIPS, as far as their weights are given.

    Args:
        weights: `faces=DIR`, `descriptor=DIR`, `lpips=DIR`, each at most once.

    Raises:
        SuiteError: there is no such kind, or its folder has no such weights; the message says what it needs.
    """
    folders: dict[str, Path] = {}
    for text in weights:
        kind, separator, place = text.partition("=")
        if kind not in KINDS or not separator or kind in folders:
            raise SuiteError(f"--weights {text}: expected NAME=DIR, NAME once and one of {', '.join(KINDS)}.")
        if not Path(place).is_dir():
            raise SuiteError(f"--weights {text}: there is no folder {place}.")
        folders[kind] = Path(place)
    try:
        return AuxiliaryTools(
            faces=OpenCvFaces(weights_in(folders["faces"])) if "faces" in folders else None,
            descriptor=_descriptor(folders["descriptor"]) if "descriptor" in folders else None,
            lpips=_lpips(folders["lpips"]) if "lpips" in folders else None,
        )
    except FaceWeightsError as error:
        raise SuiteError(str(error)) from error


def _lpips(folder: Path) -> "Lpips":
    from models.similarity.lpips import LpipsWeightsError, load_lpips

    try:
        return load_lpips(folder)
    except LpipsWeightsError as error:
        raise SuiteError(str(error)) from error


def _descriptor(folder: Path) -> "CopyDescriptor":
    from models.common.weights import CONFIG, WEIGHTS
    from models.descriptors.copy_descriptor import load_descriptor

    missing = [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]
    if missing:
        raise SuiteError(f"{folder} has no {missing[0]}: give the folder of a trained copy descriptor.")
    try:
        return load_descriptor(folder)
    except (ValueError, RuntimeError, SafetensorError) as error:
        raise SuiteError(f"{folder} holds no copy descriptor: {error}") from error


def _weights(text: str) -> TextWeights:
    try:
        levenshtein, completion, words = (float(part) for part in text.split(","))
        return TextWeights(levenshtein, completion, words)
    except ValueError as error:
        raise SuiteError(
            f"--text-weights {text}: expected three numbers that add up to 1, as in 0.4,0.3,0.3."
        ) from error
