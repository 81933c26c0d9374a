"""Text in pictures: the PP-OCR detector and recognizer that travel in RapidOCR's wheel (Apache-2.0)."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

STRIDE = 32
"""The detector takes sides that are multiples of this."""

UPRIGHT_RATIO = 1.5
"""Height over width from which a line is taken to run from top to bottom, and is turned to be read."""

DETECTOR, RECOGNIZER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
_per_thread = threading.local()


class TextLine(NamedTuple):
    """One line of text: what it says, how sure that is (0 to 1), and its corners, (4, 2) pixels, from the
    start of the line clockwise."""

    text: str
    confidence: float
    corners: np.ndarray


def read_lines(image: np.ndarray, *, side: int) -> list[TextLine]:
    """Returns the lines of text in an (H, W, 3) uint8 image, from top to bottom.

    They are looked for at `side` pixels of the longer side, to which a smaller image is enlarged, and read
    from the image itself. At 256 that takes 20 ms on one thread, and 10 ms for each line.

    Args:
        image: canonical pixels.
        side: of the copy that is searched; lines below 4 % of it are missed.
    """
    lines = []
    for corners in detect_lines(image, side=side):
        line = cut_line(image, corners)
        readings = [recognize(line)]
        if _is_upright(corners):  # along which it may run from top to bottom or from bottom to top
            readings.append(recognize(np.ascontiguousarray(line[::-1, ::-1])))
        text, confidence = max(readings, key=lambda reading: reading[1])
        if text:
            lines.append(TextLine(text, confidence, corners))
    return lines


def detect_lines(image: np.ndarray, *, side: int) -> list[np.ndarray]:
    """Returns the corners of each line of text, (4, 2) float32, looked for at `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = [max(STRIDE, round(length * scale / STRIDE) * STRIDE) for length in (width, height)]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    copy = cv2.resize(image, size, interpolation=interpolation)
    found = _engine()(copy[..., ::-1], use_det=True, use_cls=False, use_rec=False)
    stretch = np.array([width / size[0], height / size[1]], np.float32)
    boxes = [] if found.boxes is None else found.boxes
    return [np.asarray(box, np.float32) * stretch for box in boxes]


def cut_line(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Returns a line as a picture of its own, from left to right; one from top to bottom is turned."""
    width, height = _size(corners)
    box = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    transform = cv2.getPerspectiveTransform(corners, box)
    cut = cv2.warpPerspective(
        image, transform, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(np.rot90(cut)) if _is_upright(corners) else cut


def _size(corners: np.ndarray) -> tuple[int, int]:
    """Returns width and height of a line, at least one pixel."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return max(1, round(float(max(sides[0], sides[2])))), max(1, round(float(max(sides[1], sides[3]))))


def _is_upright(corners: np.ndarray) -> bool:
    width, height = _size(corners)
    return height >= UPRIGHT_RATIO * width


def recognize(line: np.ndarray) -> tuple[str, float]:
    """Returns what a picture (H, W, 3) of one line says, empty where nothing, and how sure that is."""
    read = _engine()(line[..., ::-1], use_det=False, use_cls=False, use_rec=True)
    return (read.txts[0].strip(), float(read.scores[0])) if read.txts else ("", 0.0)


def alphabet() -> frozenset[str]:
    """Returns all signs that the recognizer can name."""
    return frozenset("".join(_engine()._load_rec_model().session.get_character_list()))


def _engine() -> Any:
    """Returns RapidOCR on one thread, its models taken from the wheel by path, so that none is fetched.

    Each thread has its own, because a call of RapidOCR keeps what it was asked for in the object.
    """
    if not hasattr(_per_thread, "engine"):
        _per_thread.engine = _new_engine()
    return _per_thread.engine


def _new_engine() -> Callable[..., Any]:
    from pathlib import Path

    import rapidocr

    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_preprocess_img": False,
            "Det.model_path": str(models / DETECTOR),
            "Det.limit_type": "max",
            "Det.limit_side_len": 4096,
            "Rec.model_path": str(models / RECOGNIZER),
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
