"""A benchmark of REDEdit's form with images of noise, outputs of models, and a judge's stored replies."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.judges.judge import JudgeRequest
from benchmarks.perf.parser_cases import LABELS
from benchmarks.scoring.judge_outputs import Session, judge_outputs
from benchmarks.suites.catalogue import load_suite
from benchmarks.suites.outputs import find_outputs
from benchmarks.suites.thumbnails import ThumbnailCache
from models.common.pixels import encode_png
from models.common.progress import silent
from models.common.seeding import numpy_generator
from models.vlm.client import Answer, ReplyState
from models.vlm.replies import Replies

TASKS = 15
PROMPT = (
    "Judge the edit.\nExample Response Format:\nBrief reasoning: A short explanation.\n"
    + "\n".join(f"{label}: A number from 1 to 5." for label in LABELS)
    + "\nediting instruction is : <edit_prompt>.\n"
)
REASON = (
    "the sign at the left is replaced as asked, with the right words in the right order; its letters are a "
    "little softer than those of the source & the edge towards the wall shows a faint halo, which one sees "
    "only when looking closely. 左侧的招牌已按要求替换，字形与光照基本一致，阴影方向正确；"
    "背景中的行人、树木与原图相同，没有多余的改动。 "
) * 7
"""Judges write as much: about 2,000 characters, a fifth of them Chinese."""

BASES = 16
"""Different images; each file adds words of its own, so that no two files are equal."""

END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


class SteadyJudge:
    """Stands in for a judge while replies are made that are measured later; it never leaves this process."""

    identity: Mapping[str, Any] = {"judge": "written by benchmarks.perf"}

    def ask(self, request: JudgeRequest) -> Answer:
        """Returns scores that follow from model and sample, in as many words as a real judge takes."""
        generator = numpy_generator(0, "steady", request.model, request.sample_id)
        first = int(generator.integers(1, 6))
        scores = [first, *(int(generator.integers(1, first + 1)) for _ in LABELS[1:])]
        lines = "\n".join(f"{label}: {score}" for label, score in zip(LABELS, scores, strict=True))
        reply = f"Brief reasoning: as drawn for sample {request.sample_id}, {REASON}\n{lines}"
        raw = {"id": request.sample_id, "choices": [{"message": {"role": "assistant", "content": reply}}]}
        return Answer(ReplyState.OK, reply=reply, raw=json.dumps(raw))


def write_suite(folder: Path, samples: int, *, side: int) -> Sequence[str]:
    """Returns the names of the sources of a suite that is written as REDEdit-Bench's files are."""
    bases, names, lines = _bases("source", side), [], []
    for number in range(1, samples + 1):
        task = f"task{number % TASKS:02}"
        name = f"{task}/{task}-{number}.png"
        _write(folder / "redbench" / name, _with_words(bases[number % BASES], f"source {number}"))
        words = f"Edit sample {number}"
        row = {"id": str(number), "source": f"redbench/{name}", "task": task}
        lines.append(json.dumps({**row, "a_to_b_instructions": words, "a_to_b_instructions_eng": words}))
        names.append(name)
    _write(folder / "redbench.jsonl", "".join(f"{line}\n" for line in lines).encode())
    prompts = {f"task{number:02}": PROMPT for number in range(TASKS)}
    _write(folder / "prompts.json", json.dumps(prompts).encode())
    return names


def store_run(
    folder: Path, names: Sequence[str], *, models: int, side: int, replies: bool
) -> dict[str, Path]:
    """Returns model to folder of outputs; with `replies`, `folder/stored/replies.jsonl` holds one a sample.

    Args:
        folder: with `data` from `write_suite`.
        names: from the same.
        models: how many.
        side: of the outputs in pixels.
        replies: whether to judge them.
    """
    places = {f"model{number}": folder / "outputs" / f"model{number}" for number in range(models)}
    for model, place in places.items():
        bases = _bases(model, side)
        for number, name in enumerate(names):
            _write(place / name, _with_words(bases[number % BASES], f"{model} {number}"))
    if replies:
        suite = load_suite("rededit", data=folder / "data", images=None, lang="en")
        assert suite.protocol is not None
        store = Replies(folder / "stored" / "replies.jsonl")
        thumbnails = ThumbnailCache(folder / "stored" / "thumbnails")
        session = Session(suite.name, suite.protocol, SteadyJudge(), store, thumbnails, repeats=1)
        outputs = {model: find_outputs(place, suite.items) for model, place in places.items()}
        judge_outputs(suite, outputs, session, parallel=2, progress=silent)
        store.close()
    return places


def _bases(name: str, side: int) -> list[bytes]:
    return [encode_png(_picture(f"{name} {number}", side)) for number in range(BASES)]


def _picture(name: str, side: int) -> np.ndarray:
    """Returns colours that change smoothly, with the grain of a photograph (side, side, 3) uint8."""
    generator = numpy_generator(0, "picture", name)
    small = generator.integers(0, 256, (side // 16 + 1, side // 16 + 1, 3), dtype=np.uint8)
    smooth = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    return np.clip(smooth + generator.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def _with_words(png: bytes, words: str) -> bytes:
    """Returns the same image in a file of its own: a text chunk before the end of a PNG."""
    body = b"tEXt" + b"Comment\x00" + words.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert png.endswith(END)
    return png.removesuffix(END) + chunk + END


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
