"""Paths of tables and models inside the lake that more than one package uses."""

DEDUPED = "verdicts/deduped.parquet"
FILTERED = "verdicts/filtered.parquet"
FILTERED_PAIRS = "verdicts/filtered_pairs.parquet"
DEDUPED_PAIRS = "verdicts/deduped_pairs.parquet"
POSTFILTERED = "verdicts/postfiltered.parquet"

CLUSTERS_PATH = "dedup/clusters.parquet"
COVERAGE_PATH = "longtail/coverage.parquet"
TRUTH_PATH = "corpora/truth.parquet"

SYNTHESIZED_SAMPLES = "samples/synthesized.parquet"
SYNTHESIZED_TEXTS = "texts/synthesized.parquet"
CAPTION_TEXTS = "texts/captioned.parquet"
REFILL_SAMPLES = "samples/longtail.parquet"
REFILL_TEXTS = "texts/longtail.parquet"

BATCHES = "batches"

MIXTURES = "mixtures"
TEXT_CACHE = "cache/text"
LATENT_CACHE = "cache/latents"

BENCH = "bench"
BENCH_SUITE = "bench/suite"

COPY_DESCRIPTOR = "models/copy_descriptor"
EVALUATOR = "models/evaluator"
CODEC = "models/codec"


def batch_path(batch: str) -> str:
    """Returns the path of the record of an ingest batch, with a digest of its files."""
    return f"{BATCHES}/{batch}.json"


def mixture_path(stage: str) -> str:
    """Returns the path of a training stage's mixture."""
    return f"{MIXTURES}/{stage}.parquet"


def stage_folder(stage: str) -> str:
    """Returns the folder of a training stage's checkpoints, metrics and result."""
    return f"training/{stage}"
