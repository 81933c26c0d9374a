"""The plainest distance of two pictures, in a module that loads nothing heavy."""

import numpy as np

PSNR_CEILING = 100.0
"""What a pair gets at most: equal pictures have no PSNR, and a mean must not hang on one pixel."""


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio of two 8-bit pictures in dB, at most 100."""
    squared = np.square(first.astype(np.float64) - second.astype(np.float64)).mean()
    return min(PSNR_CEILING, float(10 * np.log10(255.0**2 / squared))) if squared else PSNR_CEILING
