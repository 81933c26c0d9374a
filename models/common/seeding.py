"""Random generators keyed by (seed, purpose, keys), so that no draw depends on earlier draws."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, purpose: str, *keys: int | str) -> int:
    """Returns a 63-bit seed computed from the arguments."""
    text = "\x1f".join([str(seed), purpose, *map(str, keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, purpose: str, *keys: int | str) -> np.random.Generator:
    """Returns the NumPy generator for a purpose and its keys, for example `("crop", region, 3)`."""
    return np.random.default_rng(derived_seed(seed, purpose, *keys))


def torch_generator(seed: int, purpose: str, *keys: int | str) -> "torch.Generator":
    """Returns the Torch CPU generator for a purpose and its keys, for example `("noise", step, rank)`."""
    import torch  # takes two seconds, which workers that only use NumPy should not wait for

    return torch.Generator().manual_seed(derived_seed(seed, purpose, *keys))
