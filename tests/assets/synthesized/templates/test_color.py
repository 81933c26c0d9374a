from fractions import Fraction

import numpy as np

from assets.synthesized.templates.color import sepia

EXACT = [("0.393", "0.769", "0.189"), ("0.349", "0.686", "0.168"), ("0.272", "0.534", "0.131")]


def test_sepia_rounds_the_exact_value_half_to_even_so_that_every_cpu_agrees():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    toned = sepia([pixels], {})
    halves = 0
    for source, result in zip(pixels.reshape(-1, 3).tolist(), toned.reshape(-1, 3).tolist(), strict=True):
        exact = [
            sum(Fraction(weight) * level for weight, level in zip(row, source, strict=True)) for row in EXACT
        ]
        halves += sum(value % 1 == Fraction(1, 2) for value in exact)
        assert result == [min(255, round(value)) for value in exact]
    assert halves > 3
