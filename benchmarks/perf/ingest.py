"""What ingest costs: listing an unchanged corpus again, and what a second worker brings.

    python -m benchmarks.perf.ingest [--files 1000000] [--json FILE]

The corpus of the listing has empty files; that of the workers real photographs, which ship with scikit-image.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import skimage.data

from assets.corpora.batches import discover_batches
from assets.corpora.config import CorporaConfig, CorpusConfig
from assets.corpora.ingest import ingest_batch
from assets.lake.lake import Lake
from benchmarks.perf.figures import Figure, show_figures, show_table, write_figures
from models.common.pixels import encode_jpeg
from models.common.progress import silent
from orchestration.profile import load_profile

FILES_PER_FOLDER = 1000
PHOTOGRAPHS, SHARD_MIB = 800, 8
LISTING_GOAL, WORKERS_GOAL = 20.0, 1.7


def corpora(folder: Path) -> CorporaConfig:
    """Returns the config of one corpus, with small shards so that a batch has several chunks."""
    corpus = CorpusConfig(name="c", path=str(folder), reader="folder", license="-")
    changes = {"corpora": (corpus,), "files_per_batch": 2_000_000, "shard_mib": SHARD_MIB}
    return load_profile("demo").corpora.model_copy(update=changes)


def seconds_of(work: Callable[[], object]) -> float:
    """Returns how long a call takes."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def listing_seconds(folder: Path, files: int) -> tuple[float, float]:
    """Returns the seconds of the first and of the second discovery of a corpus of empty files."""
    corpus = folder / "many"
    for start in range(0, files, FILES_PER_FOLDER):
        part = corpus / f"{start // FILES_PER_FOLDER:05d}"
        part.mkdir(parents=True)
        for number in range(start, min(files, start + FILES_PER_FOLDER)):
            os.close(os.open(part / f"{number:09d}.jpg", os.O_CREAT))
    lake, config = Lake(str(folder / "lake")), corpora(corpus)
    first, again = (seconds_of(lambda: discover_batches(lake, config)) for _ in range(2))
    return first, again


def ingest_seconds(folder: Path, workers: int) -> float:
    """Returns the seconds of ingesting photographs with a number of workers, into a new lake."""
    lake, config = Lake(str(folder / f"workers-{workers}")), corpora(folder / "photographs")
    (batch,) = discover_batches(lake, config)
    return seconds_of(lambda: ingest_batch(lake, config, batch, workers=workers, progress=silent))


def write_photographs(folder: Path) -> None:
    """Writes crops of photographs as JPEG files, all different."""
    pictures = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    (folder / "photographs").mkdir()
    for number in range(PHOTOGRAPHS):
        picture = pictures[number % len(pictures)]
        crop = picture[number % 40 :, number % 37 :].copy()
        crop[0, 0] = number % 256, number // 256, 0
        (folder / "photographs" / f"{number:05d}.jpg").write_bytes(encode_jpeg(crop, 95))


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1_000_000, help="files of the listed corpus")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, again = listing_seconds(folder, arguments.files)
        write_photographs(folder)
        one, two = (ingest_seconds(folder, workers) for workers in (1, 2))
    rows = [
        (f"first discovery of {arguments.files:,} files", first),
        ("discovery of the same files again", again),
        (f"ingest of {PHOTOGRAPHS} photographs, one worker", one),
        ("two workers", two),
    ]
    show_table("Durations", ("what", "seconds"), rows)
    figures = [
        Figure("listing.seconds", round(again, 2), "s", f"<= {LISTING_GOAL:g}", again <= LISTING_GOAL),
        Figure(
            "ingest.two_workers",
            round(one / two, 3),
            "times",
            f">= {WORKERS_GOAL}",
            one / two >= WORKERS_GOAL,
        ),
    ]
    show_figures(figures)
    if arguments.json is not None:
        write_figures(arguments.json, figures)


if __name__ == "__main__":
    main()
