"""By how much an output is moved, zoomed or turned against its source, to a fraction of a pixel."""

from typing import NamedTuple

import cv2
import numpy as np

LONGEST = 1024
"""Pixels of the longer side at which features are found; results are in pixels of the source."""

FEATURES = 3000
LEAST_CONTRAST = 0.02
"""Half of SIFT's usual threshold, so that skies and walls have features as well."""

RATIO = 0.75
"""Lowe's ratio of the best to the second-best match."""

TOLERANCE = 1.5
"""Pixels by which a match may miss the common motion, at the searched size."""

LEAST_MATCHES = 15
LEAST_SHARE = 0.2
"""Of all matches: fewer agree by chance, or on a part of the image that the edit itself moved."""

LEAST_SPREAD = 0.15
"""Share of the image's area that agreeing matches span; a moved object is smaller than its image."""

PIXELS_SIDE = 512
LEAST_CORRELATION = 0.98
"""Of all pixels, where features are too few: flat designs reach 0.99, other images hardly 0.9."""

ASPECT_TOLERANCE = 0.01
"""Relative difference of aspect ratios up to which a zoom is equal in both directions."""


class Registration(NamedTuple):
    """How a source is mapped onto an output of it.

    Attributes:
        matrix: (2, 3), from pixels of the source to pixels of the output brought to the source's size.
        dx: what stood at the centre of the source now stands so many of its pixels further right.
        dy: the same, further down.
        zoom: by which the image grew, in percent; negative where it shrank.
        turn: clockwise, in degrees.
        matches: points that agree on this; 0 where it was found by all pixels, for want of features.
        share: of all matched points; the correlation of all pixels where there are none.
    """

    matrix: np.ndarray
    dx: float
    dy: float
    zoom: float
    turn: float
    matches: int
    share: float

    @property
    def shift(self) -> float:
        """Length of the move of the centre, in pixels of the source."""
        return float(np.hypot(self.dx, self.dy))


class SourceMatcher:
    """Finds how outputs are moved against one source, whose features are found once.

    SIFT features are matched both ways and a similarity is fitted to those that agree (an affine map, where
    the output has another aspect ratio). What was edited has no say as long as it is the smaller part. Where
    there are too few features, as in flat designs, all pixels are correlated.

    Source: Lowe 2004 (SIFT); Evangelidis and Psarakis 2008 (ECC).
    """

    def __init__(self, source: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Takes a source.

        Args:
            source: (H, W, 3) uint8.
            mask: (H, W) bool, true where the edit belongs: nothing there is matched.
        """
        self.height, self.width = source.shape[:2]
        scale = min(1.0, LONGEST / max(self.height, self.width))
        self._size = (max(1, round(self.width * scale)), max(1, round(self.height * scale)))
        counts = np.ones(source.shape[:2], bool) if mask is None else ~mask
        outside = cv2.resize(counts.astype(np.uint8) * 255, self._size)
        self._features = _features(source, self._size, outside)
        self._source, self._outside = source, outside

    def register(self, output: np.ndarray) -> Registration | None:
        """Returns the motion on which most of an output agrees with the source, None if there is none.

        Args:
            output: (H, W, 3) uint8 of any size; it is compared at the size of the source.
        """
        return self._by_features(output) or self._by_pixels(output)

    def _by_features(self, output: np.ndarray) -> Registration | None:
        points = _matched(self._features, _features(output, self._size, None))
        if points is None:
            return None
        aspect = (output.shape[1] / output.shape[0]) / (self.width / self.height)
        fit = cv2.estimateAffine2D if abs(aspect - 1) > ASPECT_TOLERANCE else cv2.estimateAffinePartial2D
        matrix, inliers = fit(
            *points, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=5000, refineIters=50
        )
        if matrix is None:
            return None
        agreeing = inliers.ravel().astype(bool)
        if not _is_enough(points[0][agreeing], len(agreeing), self._size):
            return None
        return self._found(matrix, self._size, int(agreeing.sum()), float(agreeing.mean()))

    def _by_pixels(self, output: np.ndarray) -> Registration | None:
        scale = min(1.0, PIXELS_SIDE / max(self._size))
        size = (max(1, round(self._size[0] * scale)), max(1, round(self._size[1] * scale)))
        first, second = (_grey(picture, size) for picture in (self._source, output))
        outside = cv2.resize(self._outside, size)
        start = np.eye(2, 3, dtype=np.float32)
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-6)
        try:
            correlation, matrix = cv2.findTransformECC(
                first, second, start, cv2.MOTION_AFFINE, criteria, outside, 5
            )
        except cv2.error:  # it did not converge, or an image is one colour
            return None
        if not correlation >= LEAST_CORRELATION:
            return None
        return self._found(matrix.astype(np.float64), size, 0, float(correlation))

    def _found(self, matrix: np.ndarray, size: tuple[int, int], matches: int, share: float) -> Registration:
        """Returns a map between images of some size as one between pixels of the source."""
        factor = np.array([size[0] / self.width, size[1] / self.height])
        half = 0.5 * (1 - factor)  # a pixel at p is at factor * p - half of the searched image
        linear = matrix[:, :2] * factor[None] / factor[:, None]
        offset = (matrix[:, 2] + half - matrix[:, :2] @ half) / factor
        centre = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        moved = linear @ centre + offset - centre
        return Registration(
            matrix=np.column_stack([linear, offset]),
            dx=float(moved[0]),
            dy=float(moved[1]),
            zoom=float(100 * (np.sqrt(abs(np.linalg.det(linear))) - 1)),
            turn=float(np.degrees(np.arctan2(linear[1, 0], linear[0, 0]))),
            matches=matches,
            share=share,
        )


def register(source: np.ndarray, output: np.ndarray, mask: np.ndarray | None = None) -> Registration | None:
    """Returns the motion of one output against its source, see `SourceMatcher`."""
    return SourceMatcher(source, mask).register(output)


def laid_back(
    output: np.ndarray, registration: Registration, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns an output moved back onto its source, (H, W, 3), and where it has pixels, (H, W) bool.

    Args:
        output: of any size.
        registration: of the output.
        shape: height and width of the source.
    """
    size = (shape[1], shape[0])
    warp = {"M": registration.matrix, "dsize": size}
    resized = resized_to(output, *shape)
    back = cv2.warpAffine(
        resized, **warp, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    inside = np.ones(shape, np.uint8)
    shown = cv2.warpAffine(inside, **warp, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return back, shown.astype(bool)


def resized_to(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns an image at another size, whatever its own shape."""
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = picture.shape[0] * picture.shape[1] > height * width
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _features(
    picture: np.ndarray, size: tuple[int, int], outside: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns places (N, 2) and descriptors (N, 128) of an image at some size; None of too few."""
    grey = _grey(picture, size)
    sift = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=LEAST_CONTRAST)
    keys, descriptors = sift.detectAndCompute(grey, outside)
    return (np.array([key.pt for key in keys]), descriptors) if len(keys) >= LEAST_MATCHES else None


def _matched(
    first: tuple[np.ndarray, np.ndarray] | None, second: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the places of features that choose each other, (M, 2) in either image."""
    if first is None or second is None:
        return None
    forward, backward = _best(first[1], second[1]), _best(second[1], first[1])
    pairs = [(left, right) for left, right in forward.items() if backward.get(right) == left]
    if len(pairs) < LEAST_MATCHES:
        return None
    return first[0][[left for left, _ in pairs]], second[0][[right for _, right in pairs]]


def _best(descriptors: np.ndarray, others: np.ndarray) -> dict[int, int]:
    matches = cv2.BFMatcher(cv2.NORM_L2).knnMatch(descriptors, others, k=2)
    clear = (pair[0] for pair in matches if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance)
    return {match.queryIdx: match.trainIdx for match in clear}


def _is_enough(points: np.ndarray, total: int, size: tuple[int, int]) -> bool:
    if len(points) < max(LEAST_MATCHES, LEAST_SHARE * total):
        return False
    hull = cv2.convexHull(points.astype(np.float32))
    return cv2.contourArea(hull) >= LEAST_SPREAD * size[0] * size[1]


def _grey(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.cvtColor(resized_to(picture, size[1], size[0]), cv2.COLOR_RGB2GRAY)
