"""Corpora of a few samples in every format that a reader reads, written with the libraries of others."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import webdataset
from PIL import Image

from assets.corpora.config import ColumnsConfig
from assets.corpora.readers.columns import PRESETS


def picture(number: int, side: int = 40) -> bytes:
    """A PNG of smooth colours, another one for each number."""
    import io

    generator = np.random.default_rng(number)
    corners = generator.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(corners).resize((side + number, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


class Written(NamedTuple):
    """What a corpus must come in as: (sources, target, texts, category, subcategory) of each sample."""

    samples: list[tuple[tuple[bytes, ...], bytes, tuple[str, ...], str | None, str | None]]
    columns: ColumnsConfig | None = None


def folder(root: Path) -> Written:
    """Single images, two of them described by metadata files in different folders and formats."""
    for number, name in enumerate(["a.png", "train/b.png", "train/c.png"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(number))
    (root / "metadata.csv").write_text('file_name,text,category,subcategory\na.png,"a, b",nature,food\n')
    (root / "train/metadata.jsonl").write_text(json.dumps({"file_name": "c.png", "text": "一只猫"}))
    return Written(
        [
            ((), picture(0), ("a, b",), "nature", "food"),
            ((), picture(1), (), None, None),
            ((), picture(2), ("一只猫",), None, None),
        ]
    )


def pairs(root: Path) -> Written:
    """Pairs by name with one or two sources, and a pair by the columns of a metadata file."""
    files = {"x/one_source.png": 0, "x/one_target.png": 1, "two_source_1.png": 2, "two_source_2.png": 3}
    files |= {"two_target.png": 4, "before.png": 5, "after.png": 6}
    for name, number in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(number))
    (root / "x/one.txt").write_text("make it blue\n")
    rows = [
        {"source": "before.png", "target": "after.png", "instruction": "add a hat", "category": "semantic"},
        {"file_name": "two_target.png", "instruction": "join them", "instruction_cn": "合在一起"},
    ]
    (root / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return Written(
        [
            ((picture(5),), picture(6), ("add a hat",), "semantic", None),
            ((picture(2), picture(3)), picture(4), ("join them", "合在一起"), None, None),
            ((picture(0),), picture(1), ("make it blue",), None, None),
        ]
    )


def omniedit(root: Path) -> Written:
    """Two Parquet files with the columns of OmniEdit."""
    image = datasets.Image(decode=False)
    features = datasets.Features(
        omni_edit_id=datasets.Value("string"),
        task=datasets.Value("string"),
        src_img=image,
        edited_img=image,
        edited_prompt_list=datasets.Sequence(datasets.Value("string")),
        sc_score_1=datasets.Value("int64"),
    )
    rows = [
        {
            "omni_edit_id": f"task_{number}",
            "task": task,
            "src_img": {"bytes": picture(2 * number), "path": None},
            "edited_img": {"bytes": picture(2 * number + 1), "path": None},
            "edited_prompt_list": [f"edit {number}", f"do edit {number}"],
            "sc_score_1": 9,
        }
        for number, task in enumerate(["addition", "removal", "style"])
    ]
    (root / "data").mkdir(parents=True)
    for part, own in enumerate([rows[:2], rows[2:]]):
        table = datasets.Dataset.from_list(own, features=features)
        table.to_parquet(root / f"data/train-{part:05d}-of-00002.parquet")
    kinds = [("semantic", "add"), ("semantic", "remove"), ("stylistic", "stylize")]
    samples = [
        ((picture(2 * n),), picture(2 * n + 1), (f"edit {n}", f"do edit {n}"), *kind)
        for n, kind in enumerate(kinds)
    ]
    return Written(samples, PRESETS["omniedit"])


def magicbrush(root: Path) -> Written:
    """One Parquet file with the columns of MagicBrush: two turns of one session."""
    image = datasets.Image(decode=False)
    features = datasets.Features(
        img_id=datasets.Value("string"),
        turn_index=datasets.Value("int32"),
        source_img=image,
        mask_img=image,
        instruction=datasets.Value("string"),
        target_img=image,
    )
    rows = [
        {
            "img_id": "7",
            "turn_index": turn + 1,
            "source_img": {"bytes": picture(turn), "path": f"{turn}.png"},
            "mask_img": {"bytes": picture(9), "path": None},
            "instruction": f"turn {turn}",
            "target_img": {"bytes": picture(turn + 1), "path": f"{turn + 1}.png"},
        }
        for turn in range(2)
    ]
    root.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(root / "dev-00000-of-00001.parquet")
    samples = [((picture(turn),), picture(turn + 1), (f"turn {turn}",), None, None) for turn in range(2)]
    return Written(samples, PRESETS["magicbrush"])


def several_sources(root: Path) -> Written:
    """Parquet in the style of large sets of edits: a list of sources, two languages, own names of tasks."""
    image = datasets.Image(decode=False)
    features = datasets.Features(
        inputs=datasets.Sequence(image),
        output=image,
        prompt_en=datasets.Value("string"),
        prompt_zh=datasets.Value("string"),
        subtask=datasets.Value("string"),
    )
    rows = [
        {
            "inputs": [{"bytes": picture(number), "path": None} for number in numbers],
            "output": {"bytes": picture(9), "path": None},
            "prompt_en": "put them on a table",
            "prompt_zh": "放在桌上",
            "subtask": "combine",
        }
        for numbers in ([0, 1], [2])
    ]
    root.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(root / "part.parquet")
    columns = ColumnsConfig(
        target="output",
        sources=("inputs",),
        texts=("prompt_en", "prompt_zh"),
        subcategory="subtask",
        categories={"combine": "structural/compose"},
    )
    texts = ("put them on a table", "放在桌上")
    samples = [
        (tuple(picture(n) for n in numbers), picture(9), texts, "structural", "compose")
        for numbers in ([0, 1], [2])
    ]
    return Written(samples, columns)


def tar_of_images(root: Path) -> Written:
    """A WebDataset of captioned images."""
    root.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(root / "shard-000.tar")) as sink:
        for number in range(3):
            sink.write({"__key__": f"s/{number:04d}", "png": picture(number), "txt": f"caption {number}"})
    return Written([((), picture(n), (f"caption {n}",), None, None) for n in range(3)])


def tar_of_pairs(root: Path) -> Written:
    """A WebDataset of edits whose instruction stands in JSON."""
    root.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(root / "shard-000.tar.gz"), compress=True) as sink:
        for number in range(2):
            sink.write(
                {
                    "__key__": f"{number}",
                    "source.png": picture(2 * number),
                    "target.png": picture(2 * number + 1),
                    "json": {"instruction": f"edit {number}", "kind": "semantic"},
                }
            )
    columns = ColumnsConfig(target="target", sources=("source",), texts=("instruction",), category="kind")
    samples = [((picture(2 * n),), picture(2 * n + 1), (f"edit {n}",), "semantic", None) for n in range(2)]
    return Written(samples, columns)


def firered(root: Path) -> Written:
    """JSON lines of the FireRed trainer: an edit with an inversion, one with two sources, text to image."""
    for number in range(6):
        (root / "images").mkdir(parents=True, exist_ok=True)
        (root / f"images/{number}.png").write_bytes(picture(number))
    rows = [
        {
            "source_image": "images/0.png",
            "edit_image": "images/1.png",
            "instruction": "add a hat",
            "instruction_cn": "加一顶帽子",
            "inverse_instruction": "remove the hat",
            "inverse_instruction_cn": "去掉帽子",
        },
        {
            "source_image": ["images/2.png", "images/3.png"],
            "target_image": "images/4.png",
            "instruction": "join",
        },
        {"source_image": None, "edit_image": str(root / "images/5.png"), "instruction": "a hat"},
    ]
    (root / "edits").mkdir()
    (root / "edits/train.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return Written(
        [
            ((picture(0),), picture(1), ("add a hat", "加一顶帽子"), None, None),
            ((picture(1),), picture(0), ("remove the hat", "去掉帽子"), None, None),
            ((picture(2), picture(3)), picture(4), ("join",), None, None),
            ((), picture(5), ("a hat",), None, None),
        ]
    )


WRITERS: Mapping[str, tuple[str, Callable[[Path], Written]]] = {
    "folder": ("folder", folder),
    "pairs": ("pairs", pairs),
    "parquet, OmniEdit": ("parquet", omniedit),
    "parquet, MagicBrush": ("parquet", magicbrush),
    "parquet, several sources": ("parquet", several_sources),
    "webdataset, images": ("webdataset", tar_of_images),
    "webdataset, pairs": ("webdataset", tar_of_pairs),
    "firered": ("firered", firered),
}
"""The reader of each corpus, and what writes it."""
