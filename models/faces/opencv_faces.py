"""Detects faces and compares them with YuNet and SFace of OpenCV; users provide the weights."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from models.common.pixels import shrink

SEARCHED_SIDE = 1024
"""Longer side in pixels of the image searched for faces; features are computed at full size."""

MIN_SCORE = 0.7
"""Detector score from which a detection counts as a face."""

OVERLAP = 0.3
MAX_FACES = 50


class Face(NamedTuple):
    """One face.

    Attributes:
        box: x, y, width and height in pixels.
        landmarks: five landmarks (5, 2) in pixels.
        score: score of the detector.
        vector: unit vector, similar for faces of one person.
    """

    box: np.ndarray
    landmarks: np.ndarray
    score: float
    vector: np.ndarray


class FaceReader(Protocol):
    """Detects and describes faces."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that identify the reader: its kind and digests of its weights."""
        ...

    def faces(self, image: np.ndarray) -> list[Face]:
        """Returns the faces of an (H, W, 3) uint8 image, highest score first; must be thread-safe."""
        ...


class FaceWeightsError(ValueError):
    """A weight file of a face reader is missing or not valid."""


@dataclass(frozen=True)
class Weights:
    """The two ONNX files of `OpenCvFaces`."""

    detector: Path
    recognizer: Path


def weights_in(folder: Path) -> Weights:
    """Returns the weight files in a folder, named as in the OpenCV model zoo: `*yunet*.onnx`, `*sface*.onnx`.

    Raises:
        FaceWeightsError: a file is missing, or there are several candidates.
    """
    paths = []
    for keyword in ("yunet", "sface"):
        files = sorted(path for path in folder.glob("*.onnx") if keyword in path.name.lower())
        if len(files) != 1:
            raise FaceWeightsError(
                f"{folder} has {len(files)} files *{keyword}*.onnx, expected one. Download "
                "face_detection_yunet and face_recognition_sface from the OpenCV model zoo."
            )
        paths.append(files[0])
    return Weights(*paths)


class OpenCvFaces:
    """YuNet detects faces with five landmarks; SFace describes a face in 128 numbers."""

    def __init__(self, weights: Weights) -> None:
        """Loads both networks.

        Raises:
            FaceWeightsError: OpenCV cannot load a file.
        """
        self._weights = weights
        self._lock = threading.Lock()  # the detector keeps its input size between calls
        self._detector = _load(
            weights.detector,
            lambda path: cv2.FaceDetectorYN.create(path, "", (320, 320), MIN_SCORE, OVERLAP, MAX_FACES),
        )
        self._recognizer = _load(weights.recognizer, lambda path: cv2.FaceRecognizerSF.create(path, ""))
        try:
            self.faces(np.zeros((64, 64, 3), np.uint8))
            self._recognizer.feature(np.zeros((112, 112, 3), np.uint8))
        except cv2.error as error:
            raise FaceWeightsError(
                f"{weights.detector.name} or {weights.recognizer.name} is not the expected network: "
                f"{_last_line(error)}"
            ) from error

    @property
    def identity(self) -> Mapping[str, Any]:
        """File names and digests of the weights."""
        return {
            "faces": "opencv",
            **{
                name: f"{path.name} {sha256(path.read_bytes()).hexdigest()[:12]}"
                for name, path in vars(self._weights).items()
            },
        }

    def faces(self, image: np.ndarray) -> list[Face]:
        """Returns the faces of an (H, W, 3) uint8 image, highest score first."""
        bgr = np.ascontiguousarray(image[..., ::-1])
        small = shrink(bgr, SEARCHED_SIDE)
        scale = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]])
        with self._lock:
            self._detector.setInputSize((small.shape[1], small.shape[0]))
            _, rows = self._detector.detect(small)
            faces = [self._describe(bgr, row, scale) for row in ([] if rows is None else rows)]
        return sorted(faces, key=lambda face: -face.score)

    def _describe(self, bgr: np.ndarray, row: np.ndarray, scale: np.ndarray) -> Face:
        points = row[:14].reshape(7, 2) * scale  # corner, size, five landmarks
        scaled_row = np.concatenate([points.ravel(), row[14:]]).astype(np.float32)
        vector = self._recognizer.feature(self._recognizer.alignCrop(bgr, scaled_row)).ravel()
        length = float(np.linalg.norm(vector))
        unit = vector / length if length > 0 else vector
        return Face(points[:2].ravel(), points[2:], float(row[14]), unit.astype(np.float32))


def identity_similarity(source: Sequence[Face], output: Sequence[Face]) -> float | None:
    """Returns the mean cosine of the faces of a source and their partners in the output; None without faces.

    Faces are paired greedily, most similar first, regardless of position. A face without a partner counts as
    0, and so does a negative cosine.
    """
    if not source:
        return None
    if not output:
        return 0.0
    cosines = np.stack([face.vector for face in source]) @ np.stack([face.vector for face in output]).T
    total = 0.0
    for _ in range(min(len(source), len(output))):
        row, column = np.unravel_index(int(cosines.argmax()), cosines.shape)
        total += max(0.0, float(cosines[row, column]))
        cosines[row, :], cosines[:, column] = -2.0, -2.0
    return min(1.0, total / len(source))


def _load(path: Path, load: Any) -> Any:
    if not path.is_file():
        raise FaceWeightsError(f"{path} does not exist.")
    try:
        return load(str(path))
    except cv2.error as error:
        raise FaceWeightsError(f"OpenCV cannot load {path}: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
