"""Official-looking files of benchmarks with pictures and prompts of our own."""

import json
from pathlib import Path

import numpy as np
from toy_suite import picture

from models.pixels import encode_png

LABELS = ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Coherence")
PROMPT = (
    "Judge {task}.\nExample Response Format:\nBrief reasoning: A short explanation.\n{lines}\n"
    "It is: <edit_prompt>.\n"
)
TASKS = ("add", "text")


def prompt(task: str) -> str:
    """Returns a prompt of the official form."""
    return PROMPT.format(task=task, lines="\n".join(f"{label}: A number from 1 to 5." for label in LABELS))


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


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
    (folder / "prompts.json").write_text(json.dumps({task: prompt(task) for task in TASKS}))
    return folder


def outputs(folder: Path, items, *, flat: bool = False, suffix: str = ".png", shift: int = 7) -> Path:
    """Writes an output for each item, a little brighter than its source, and returns the folder."""
    for item in items:
        name = Path(item.output or item.sample_id)
        pixels = item.sources[0].pixels()
        brighter = np.clip(pixels.astype(int) + shift, 0, 255).astype(np.uint8)
        write(folder / ((name.name if flat else str(name)) + suffix), encode_png(brighter))
    return folder
