"""Makes the winners and losers of DPO by ranking several samples of each prompt (report 3.6.1)."""

from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch

from models.common.seeding import numpy_generator
from trainers.config import DpoConfig
from trainers.data.cache import (
    PREFERENCES,
    TensorCache,
    read_cache_table,
    write_cache_table,
    write_index,
    write_tensors,
)
from trainers.data.sampler import chunks_by_bucket, spread_rows
from trainers.stages.rollouts import RewardModel, Rollouts, roll_out
from trainers.stages.stage import StageContext, edit_rows
from trainers.strategies.deepspeed import barrier

PREFERENCE_FOLDER = "preferences"
TABLE = "preferences.parquet"
LEAST_MARGIN = 1e-6
"""Least difference of rewards in a pair. A pair of equal rewards teaches nothing."""


class Preferences(NamedTuple):
    """A PREFERENCES table and the latents of its winners and losers."""

    pairs: pl.DataFrame
    latents: TensorCache


def prepare_preferences(
    context: StageContext, config: DpoConfig, policy: torch.nn.Module, folder: Path
) -> Preferences:
    """Returns pairs sampled from a policy. All ranks sample them, unless the folder already has them.

    The table is written last, so a folder with the table is complete.
    """
    if not (folder / TABLE).exists():
        prompts = spread_rows(
            edit_rows(context.mixture, "train"), config.pairs.prompts, seed=config.seed, purpose="preferences"
        )
        _sample_pairs(context, config, policy, prompts[context.rank :: context.world_size], folder)
        barrier()
        if context.rank == 0:
            _merge(context, folder)
        barrier()
    return Preferences(read_cache_table(folder / TABLE, PREFERENCES), TensorCache(folder))


def _sample_pairs(
    context: StageContext, config: DpoConfig, policy: torch.nn.Module, prompts: pl.DataFrame, folder: Path
) -> None:
    reward_model = RewardModel(context.run, config.pairs.evaluator_weight)
    size = max(1, config.pairs.batch_size // config.pairs.samples_per_prompt)
    pairs, latents = [], {}
    for rows in chunks_by_bucket(prompts, size):
        rollouts = roll_out(
            context,
            policy,
            rows,
            config=config,
            samples_per_prompt=config.pairs.samples_per_prompt,
            reward_model=reward_model,
            purpose="preferences",
        )
        for index, row in enumerate(rows.iter_rows(named=True)):
            pair = _pair(rollouts, index, row, config)
            if pair is not None:
                winner, loser, margin = pair
                names = {f"{name}_key": f"{row['sample_id']}/{name}" for name in ("winner", "loser")}
                pairs.append({name: row.get(name) for name in PREFERENCES} | names | {"margin": margin})
                latents |= {names["winner_key"]: winner, names["loser_key"]: loser}
    write_tensors(folder, latents, shard=_shard(context.rank))
    table = pl.DataFrame(pairs, schema=dict(PREFERENCES))
    write_cache_table(folder / _part(context.rank), table, PREFERENCES)


def _pair(
    rollouts: Rollouts, index: int, row: dict[str, object], config: DpoConfig
) -> tuple[torch.Tensor, torch.Tensor, float] | None:
    """Returns winner, loser and margin of one prompt; None if the rewards are equal."""
    rewards = rollouts.rewards[index]
    count = len(rewards)
    samples = rollouts.samples[index * count : (index + 1) * count]
    worst = int(rewards.argmin())
    best = int(rewards.argmax())
    generator = numpy_generator(config.seed, "expert", str(row["sample_id"]))
    # The known truth as the winner ("expert" in the report's mix-policy) has the highest reward, 1.
    expert = generator.random() < config.pairs.expert_share
    winner = rollouts.prompts.target[index * count] if expert else samples[best]
    best_reward = 1.0 if expert else float(rewards[best])
    margin = best_reward - float(rewards[worst])
    return (winner.cpu().clone(), samples[worst].cpu().clone(), margin) if margin > LEAST_MARGIN else None


def _merge(context: StageContext, folder: Path) -> None:
    parts = [read_cache_table(folder / _part(rank), PREFERENCES) for rank in range(context.world_size)]
    entries = [
        (key, _shard(rank), key)
        for rank, part in enumerate(parts)
        for column in ("winner_key", "loser_key")
        for key in part[column]
    ]
    write_index(folder, entries)
    write_cache_table(folder / TABLE, pl.concat(parts).sort("sample_id"), PREFERENCES)


def _shard(rank: int) -> str:
    return f"pairs-rank{rank}.safetensors"


def _part(rank: int) -> str:
    return f"part-rank{rank}.parquet"
