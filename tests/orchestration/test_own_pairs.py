"""A user's own editing pairs, as the README shows, from a folder into the training cache."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from skimage import data
from tiny import write_tiny_profile
from tiny_run import REPOSITORY, TinyRun, emberline

from assets.lake.kept import KEPT_PAIRS_PATH
from assets.lake.paths import mixture_path
from assets.lake.schemas import RECORDS, SAMPLES
from models.common.pixels import encode_png

README = (REPOSITORY / "README.md").read_text()
SECTION = README.partition("### Your own pairs")[2].partition("\n### ")[0]
PAIRS = 10
SMALL = {
    "demo": None,
    "descriptor": {"steps": 2, "warmup_steps": 1},
    "synthesized": {"train_pairs": 4, "heldout_pairs": 2},
    "longtail": {"refill_pairs": 0},
    "evaluator_training": {"steps": 2, "warmup_steps": 1},
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


def write_pairs(folder: Path) -> None:
    """Writes pairs whose names follow those of the README: crops of photographs, and brighter ones."""
    names = [Path(line) for line in blocks("")[0].split()]
    photographs = [data.astronaut(), data.coffee(), data.chelsea()]
    for number in range(PAIRS):
        top = 25 * number
        source = photographs[number % 3][top % 200 : top % 200 + 96, top : top + 96]
        target = np.clip(source.astype(np.int16) + 30, 0, 255).astype(np.uint8)
        files = {
            "source": encode_png(source),
            "target": encode_png(target),
            "kitchen": b"Make it a little brighter.",
        }
        for name in names:
            path = folder / name.with_name(name.name.replace("kitchen", f"kitchen-{number}"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name.stem.rpartition("_")[2]])


def test_own_pairs_reach_the_training_cache_as_the_readme_shows(tmp_path):
    home = tmp_path / "home"
    write_pairs(home)
    shown = yaml.safe_load(blocks("yaml")[0])
    profile = write_tiny_profile(tmp_path / "mine.yaml", **SMALL, **shown)
    run = TinyRun(profile, home, "")
    done = emberline("run", "--job", "data", "--profile", str(profile), "--home", str(home))
    assert done.returncode == 0, done.stderr[-4000:]
    records = run.lake.read_tables("records", RECORDS)
    assert records.height == 2 * PAIRS
    assert records["error"].null_count() == records.height
    collected = run.lake.read_tables("samples/raw", SAMPLES)
    assert collected["task"].to_list() == ["i2i"] * PAIRS
    kept = run.lake.read_table(KEPT_PAIRS_PATH, SAMPLES)
    kept = kept.filter(pl.col("sample_id").is_in(collected["sample_id"].implode()))
    assert kept.height >= PAIRS // 2  # the filters drop some crops
    drawn = run.lake.read_table(mixture_path("sft"))
    assert set(kept["sample_id"]) <= set(drawn["sample_id"])
    images = run.lake.list("cache/latents", ".safetensors") + run.lake.list("cache/latents", ".json")
    assert images
    told = run.emberline("explain", "kitchen-0_target.png")
    assert told.returncode == 0, told.stderr
    assert "kitchen-0_target.png" in told.stdout
