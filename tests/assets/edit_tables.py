"""Samples and texts of edits of several kinds, for tests of the post-filter."""

import polars as pl

from assets.lake.schemas import SAMPLES, TEXTS
from assets.synthesized.instructions import instruction_forms

KINDS = ["brighter", "darker", "brighter:inverse", "grayscale", "mirror", "mirror:inverse", "blur"]


def tables(count: int, images: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Edits of every kind in both splits, with the wording that the captioner gives them."""
    samples, texts = [], []
    blank = dict.fromkeys(TEXTS)
    for number in range(count):
        name = KINDS[number % len(KINDS)]
        template = name.partition(":")[0]
        sample = f"sample {number:03d}"
        samples.append(
            {
                "sample_id": sample,
                "group_id": f"g{number}",
                "split": "heldout" if number % 3 == 0 else "train",
                "task": "i2i",
                "category": "stylistic",
                "subcategory": "lowlevel" if name == "blur" else "adjust",
                "source_ids": [images[number % len(images)]],
                "target_id": images[(number + 1) % len(images)],
                "origin": {"engine": "t", "template": name, "parameters": "{}", "seed": 0, "parents": []},
                "license": "x",
            }
        )
        forms = instruction_forms(template, {}, inverse=name != template)
        for (kind, lang), wordings in forms.items():
            text = {"text_id": f"{sample}{kind}{lang}", "sample_id": sample, "kind": kind, "lang": lang}
            texts.append({**blank, **text, "text": wordings[number % len(wordings)]})
    return (
        pl.DataFrame(samples, schema=dict(SAMPLES), orient="row"),
        pl.DataFrame(texts, schema=dict(TEXTS), orient="row"),
    )
