"""Random generators keyed by (seed, purpose, keys): no draw depends on what was drawn before it."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, purpose: str, *keys: int | str) -> int:
    """Returns a 63-bit seed that is a function of its arguments alone."""
    text = "\x1f".join([str(seed), purpose, *map(str, keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, purpose: str, *keys: int | str) -> np.random.Generator:
    """Returns the NumPy generator of one purpose, for example `("crop", region, 3)`."""
    return np.random.default_rng(derived_seed(seed, purpose, *keys))


def torch_generator(seed: int, purpose: str, *keys: int | str) -> "torch.Generator":
    """Returns the CPU Torch generator of one purpose, for example `("noise", step, rank)`."""
    import torch  # two seconds that a worker which only draws with NumPy should not pay

    return torch.Generator().manual_seed(derived_seed(seed, purpose, *keys))
