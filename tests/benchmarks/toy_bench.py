"""Official-looking files of benchmarks with pictures and prompts of our own."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from toy_suite import picture

from benchmarks.suites.item import BenchItem, picture_of_pixels
from models.common.pixels import encode_jpeg, encode_png

LABELS = ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Coherence")
PROMPT = (
    "Judge {task}.\nExample Response Format:\nBrief reasoning: A short explanation.\n{lines}\n"
    "It is: <edit_prompt>.\n"
)
TASKS = ("add", "text")
GEDIT_PARTS = {
    "context_no_delimit": "You grade.", "two_image_edit_rule": "Two images.", "rule_PQ": "One image.",
    "tie_rule_SC": "Editing instruction: <instruction>",
}  # fmt: skip


def prompt(task: str) -> str:
    """Returns a prompt of the official form."""
    return PROMPT.format(task=task, lines="\n".join(f"{label}: A number from 1 to 5." for label in LABELS))


def reply(*scores: Any) -> str:
    """Returns a reply of the official form, one score a label."""
    lines = [f"{label}: {score}" for label, score in zip(LABELS, scores, strict=False)]
    return "\n".join(["Brief reasoning: so.", *lines])


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_json(path: Path, value: Any) -> Path:
    return write(path, json.dumps(value, ensure_ascii=False).encode())


def item(name: str = "1", *, size: tuple[int, int] = (32, 32), **changes: Any) -> BenchItem:
    """Returns one item whose source is held in memory."""
    fields: dict[str, Any] = {"kind": "add", "category": "add", "instruction": f"Edit {name}"}
    source = picture_of_pixels("source", picture(f"source{name}", *size))
    return BenchItem(name, **{**fields, "sources": (source,), **changes})


def rededit(folder: Path, count: int = 6) -> Path:
    """Writes a REDEdit-Bench of `count` items of two tasks, and returns its folder."""
    rows = []
    for number in range(1, count + 1):
        task = TASKS[number % 2]
        source = f"redbench/{task}/{task}-{number}.png"
        write(folder / source, encode_png(picture(f"source{number}")))
        words = {"a_to_b_instructions": f"第{number}个", "a_to_b_instructions_eng": f"Edit <number> {number}"}
        rows.append({"id": str(number), "source": source, **words, "task": task})
    (folder / "redbench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_json(folder / "prompts.json", {task: prompt(task) for task in TASKS})
    return folder


def imgedit(folder: Path, edits: Sequence[str] = ("add", "add", "remove")) -> Path:
    """Writes an ImgEdit-Bench; every second item has the same picture."""
    rows = {}
    for number, kind in enumerate(edits):
        name = f"animal/{number % 2}.jpg"
        write(folder / name, encode_jpeg(picture(name), 90))
        rows[str(number)] = {"id": name, "prompt": f"Edit {number}", "edit_type": kind}
    write_json(folder / "basic_edit.json", rows)
    write_json(
        folder / "UGE_edit.json", {key: {"id": row["id"], "prompt": "Hard"} for key, row in rows.items()}
    )
    write_json(folder / "prompts.json", {kind: prompt(kind) for kind in set(edits)})
    return folder


def gedit_rows(count: int = 4) -> list[dict[str, Any]]:
    """Returns rows of GEdit-Bench in both languages; every second one is in the intersection."""
    rows = []
    for number in range(count):
        for lang in ("en", "cn"):
            data = encode_png(picture(f"gedit{number}", 24, 32))
            rows.append(
                {
                    "key": f"{number:032x}{lang}", "task_type": ("text_change", "subject-add")[number % 2],
                    "instruction": f"Edit {number}", "instruction_language": lang,
                    "input_image": {"bytes": data, "path": f"{number}.png"},
                    "input_image_raw": {"bytes": data, "path": f"{number}.png"},
                    "Intersection_exist": number % 2 == 0,
                }
            )  # fmt: skip
    return rows


def gedit(folder: Path, form: str = "parquet", rows: list[dict[str, Any]] | None = None) -> Path:
    """Writes a GEdit-Bench as Parquet, as an Arrow stream (`save_to_disk`) or as a plain export."""
    rows = gedit_rows() if rows is None else rows
    for name, text in GEDIT_PARTS.items():
        write(folder / "prompts" / f"{name}.txt", text.encode())
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet", row_group_size=3)
    elif form == "arrow":
        table = pa.Table.from_pylist(rows)
        path = str(folder / "data-00000-of-00001.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table, max_chunksize=3)
    else:
        lines = []
        for number, row in enumerate(rows):
            write(folder / "images" / f"{number}.png", row["input_image"]["bytes"])
            plain = {name: value for name, value in row.items() if not name.startswith("input_image")}
            lines.append(json.dumps({**plain, "file_name": f"images/{number}.png"}))
        write(folder / "metadata.jsonl", "\n".join(lines).encode())
    return folder


def kris(folder: Path) -> Path:
    """Writes a KRIS-Bench of three tasks, one of them with two sources."""
    for task, count in (("color_change", 2), ("biology", 1), ("temporal_prediction", 1)):
        rows = {}
        for number in range(1, count + 1):
            names = [f"{number}_a.png", f"{number}_b.png"][: 2 if task == "temporal_prediction" else 1]
            for name in [*names, f"{number}_gt.png"]:
                write(folder / task / name, encode_png(picture(f"{task}{name}")))
            rows[str(number)] = {
                "ori_img": names if len(names) > 1 else names[0], "gt_img": f"{number}_gt.png",
                "instruction": f"{task} {number}", "explain": "Because." if task == "biology" else "",
            }  # fmt: skip
        write_json(folder / task / "annotation.json", rows)
    return folder


def outputs(folder: Path, items, *, flat: bool = False, suffix: str = ".png", shift: int = 7) -> Path:
    """Writes an output for each item, a little brighter than its source, and returns the folder."""
    for one in items:
        name = Path(one.output or one.sample_id)
        pixels = one.sources[0].pixels()
        brighter = np.clip(pixels.astype(int) + shift, 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(brighter).save(stream, {".jpg": "JPEG", ".webp": "WEBP"}.get(suffix, "PNG"))
        write(folder / ((name.name if flat else str(name)) + suffix), stream.getvalue())
    return folder
