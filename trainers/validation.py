"""The validation loss, and the error of sampled edits, on held-out rows with fixed noise."""

import polars as pl
import torch

from models.editor.sampling import initial_noise
from trainers.data.sampler import EmptyMixtureError, chunks_by_bucket, spread_rows
from trainers.losses import squared_error
from trainers.stages.stage import StageContext, edit_rows, flow_matching_error, sample_batch
from trainers.strategies.deepspeed import sum_over_ranks

BATCH = 32


class Validation:
    """Validates on fixed held-out rows with fixed noise levels, so that only the model changes figures."""

    def __init__(self, context: StageContext) -> None:
        config = context.run.config
        self._context, self._config = context, config
        heldout = context.mixture.filter(pl.col("split") == "heldout")
        if heldout.is_empty():
            raise EmptyMixtureError(
                f"{context.run.mixture} has no held-out row. Validation needs some; check the split."
            )
        rows = spread_rows(heldout, config.validation_samples, seed=config.seed, purpose="validation")
        # Midpoints of equal intervals: every validation covers all noise levels evenly.
        sigma = (torch.arange(len(rows)) + 0.5) / len(rows)
        self._rows = self._share(rows.with_columns(sigma=pl.Series(sigma.numpy())))
        edits = edit_rows(context.mixture, "heldout")
        self._edits = self._share(
            spread_rows(edits, config.validation_edits, seed=config.seed, purpose="validation-edits")
        )

    @torch.no_grad()
    def measure(self, model: torch.nn.Module) -> dict[str, float]:
        """Returns `validation_loss` and, with edits, their latent error and that of the copy baseline."""
        loss, count = 0.0, 0
        for rows in chunks_by_bucket(self._rows, BATCH):
            loss += float(self._errors(model, rows).sum())
            count += len(rows)
        edit, copy, edits = 0.0, 0.0, 0
        for rows in chunks_by_bucket(self._edits, BATCH):
            batch = self._context.collate(rows)
            sampled = sample_batch(model, batch, rows["sample_id"].to_list(), self._config)
            edit += float(squared_error(sampled, batch.target).sum())
            copy += float(squared_error(batch.references[0], batch.target).sum())
            edits += len(rows)
        loss, count, edit, copy, edits = sum_over_ranks([loss, count, edit, copy, edits])
        figures = {"validation_loss": loss / count}
        if edits:
            figures |= {"validation_edit_error": edit / edits, "validation_copy_error": copy / edits}
        return figures

    def _errors(self, model: torch.nn.Module, rows: pl.DataFrame) -> torch.Tensor:
        batch = self._context.collate(rows)
        noise = initial_noise(rows["sample_id"].to_list(), batch.target.shape[1:], self._config.seed)
        noise = noise.to(batch.target.device)
        sigma = torch.tensor(rows["sigma"].to_list(), device=batch.target.device)
        return flow_matching_error(model, batch, noise, sigma)

    def _share(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows[self._context.rank :: self._context.world_size]
