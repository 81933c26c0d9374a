"""Continued pre-training (report 3.4): every semantic cluster is drawn equally often."""

from trainers.stage import Stage


class ContinuedPretrain(Stage):
    """Flow matching at all noise levels; `balance_by`, which CtConfig demands, names the clusters."""
