"""Faces in pictures and how alike two are, by OpenCV's YuNet and SFace; users bring the weights."""

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
"""Pixels of the longer side at which faces are looked for; features are taken from the picture itself."""

LEAST_SCORE = 0.7
"""The detector's own, from which a find counts as a face."""

OVERLAP = 0.3
MOST_FACES = 50


class Face(NamedTuple):
    """One face: its box (x, y, width, height) and five landmarks (5, 2) in pixels, the detector's score, and
    a unit vector that is alike for faces of one person."""

    box: np.ndarray
    landmarks: np.ndarray
    score: float
    vector: np.ndarray


class FaceReader(Protocol):
    """Finds and describes faces."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that decide what is found: kind and digests of the weights."""
        ...

    def faces(self, image: np.ndarray) -> list[Face]:
        """Returns the faces of an (H, W, 3) uint8 image, surest first; called from several threads."""
        ...


class FaceWeightsError(ValueError):
    """The files of a face reader are not there, or not what they should be."""


@dataclass(frozen=True)
class Weights:
    """The two ONNX files of `OpenCvFaces`."""

    detector: Path
    recognizer: Path


def weights_in(folder: Path) -> Weights:
    """Returns the files of a folder by the names of OpenCV's model zoo, `*yunet*.onnx` and `*sface*.onnx`.

    Raises:
        FaceWeightsError: either is missing, or there are several.
    """
    found = []
    for mark in ("yunet", "sface"):
        files = sorted(path for path in folder.glob("*.onnx") if mark in path.name.lower())
        if len(files) != 1:
            raise FaceWeightsError(
                f"{folder} has {len(files)} files *{mark}*.onnx, expected one. Take face_detection_yunet and "
                "face_recognition_sface from OpenCV's model zoo."
            )
        found.append(files[0])
    return Weights(*found)


class OpenCvFaces:
    """YuNet finds faces and five landmarks, SFace describes what is between them in 128 numbers."""

    def __init__(self, weights: Weights) -> None:
        """Loads both networks.

        Raises:
            FaceWeightsError: OpenCV can't load a file.
        """
        self._weights = weights
        self._lock = threading.Lock()  # a detector keeps its input size between two calls
        self._detector = _loaded(
            weights.detector,
            lambda path: cv2.FaceDetectorYN.create(path, "", (320, 320), LEAST_SCORE, OVERLAP, MOST_FACES),
        )
        self._recognizer = _loaded(weights.recognizer, lambda path: cv2.FaceRecognizerSF.create(path, ""))
        try:
            self.faces(np.zeros((64, 64, 3), np.uint8))
            self._recognizer.feature(np.zeros((112, 112, 3), np.uint8))
        except cv2.error as error:
            raise FaceWeightsError(
                f"{weights.detector.name} or {weights.recognizer.name} is another network than it should be: "
                f"{_said(error)}"
            ) from error

    @property
    def identity(self) -> Mapping[str, Any]:
        """Names and digests of the weights."""
        return {
            "faces": "opencv",
            **{
                name: f"{path.name} {sha256(path.read_bytes()).hexdigest()[:12]}"
                for name, path in vars(self._weights).items()
            },
        }

    def faces(self, image: np.ndarray) -> list[Face]:
        """Returns the faces of an (H, W, 3) uint8 image, surest first."""
        picture = np.ascontiguousarray(image[..., ::-1])
        small = shrink(picture, SEARCHED_SIDE)
        scale = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]])
        with self._lock:
            self._detector.setInputSize((small.shape[1], small.shape[0]))
            _, rows = self._detector.detect(small)
            found = [self._described(picture, row, scale) for row in ([] if rows is None else rows)]
        return sorted(found, key=lambda face: -face.score)

    def _described(self, picture: np.ndarray, row: np.ndarray, scale: np.ndarray) -> Face:
        places = row[:14].reshape(7, 2) * scale  # corner, size, five landmarks
        whole = np.concatenate([places.ravel(), row[14:]]).astype(np.float32)
        vector = self._recognizer.feature(self._recognizer.alignCrop(picture, whole)).ravel()
        length = float(np.linalg.norm(vector))
        unit = vector / length if length > 0 else vector
        return Face(places[:2].ravel(), places[2:], float(row[14]), unit.astype(np.float32))


def identity_similarity(source: Sequence[Face], output: Sequence[Face]) -> float | None:
    """Returns the mean cosine of each face of a source and its own in the output; None without a face.

    Faces are paired from the most alike pair on, wherever they stand. A face without a partner counts 0, and
    so does a cosine below that.
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


def _loaded(path: Path, load: Any) -> Any:
    if not path.is_file():
        raise FaceWeightsError(f"There is no file {path}.")
    try:
        return load(str(path))
    except cv2.error as error:
        raise FaceWeightsError(f"OpenCV cannot load {path}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
