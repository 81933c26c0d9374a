"""How an image becomes tokens, and how noise levels depend on their number. Imports nothing.

A copy of this file travels inside the registered model.
"""

PATCH = 2
"""Latents are packed in 2x2 blocks, so a token covers 16 pixels of a codec that shrinks by 8."""


def resolution_mu(tokens: int, *, base_tokens: int, max_tokens: int, base_mu: float, max_mu: float) -> float:
    """Returns the shift of the logit of noise levels for a target of so many tokens; references don't count.

    Linear in the tokens, as in Qwen-Image's scheduler.

    Args:
        tokens: of the target.
        base_tokens: number of tokens at which the shift is `base_mu`.
        max_tokens: number of tokens at which the shift is `max_mu`.
        base_mu: shift at `base_tokens`.
        max_mu: shift at `max_tokens`.
    """
    slope = (max_mu - base_mu) / (max_tokens - base_tokens)
    return base_mu + slope * (tokens - base_tokens)
