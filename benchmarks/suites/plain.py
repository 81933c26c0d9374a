"""A suite of one's own: items.jsonl and image files. The demo's suite is written and read so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.parsing.lines import HIGHEST, LOWEST
from benchmarks.protocols.protocol import Metric, Protocol
from benchmarks.protocols.rubric import QUESTION, RubricDimension, rubric
from benchmarks.scoring.aggregate import RULES
from benchmarks.suites.item import BenchItem, Picture, SuiteError
from benchmarks.suites.suite import Suite, made_suite, picture_below, problem_of, read_json_lines, text_fields

LIST = "items.jsonl"

DIMENSIONS = (
    RubricDimension("Prompt Compliance", "the edit does all that the instruction asks for."),
    RubricDimension("Visual Naturalness", "the edit blends in; nothing looks pasted, torn or blurred."),
    RubricDimension(
        "Physical & Detail Coherence", "light and shapes are right, and what was not edited is unchanged."
    ),
)
"""The three dimensions that the report names for all tasks (4.2)."""

MEASURE = Metric("score", "Score, 1 to 5", LOWEST, HIGHEST, official=RULES["strict"])


def load_plain(data: Path, images: Path, lang: str) -> Suite:
    """Returns a suite of one's own, judged by our rubric where a judge is given.

    One JSON object a line: `id`, `task`, `instruction`, `sources` (paths below `images`), and where known
    `category`, `truth`, `mask`, `expected_text`, `lang`, `cluster`, `output`.

    Args:
        data: folder with items.jsonl.
        images: folder of the images.
        lang: only items in this language are taken; an item without `lang` is in any.

    Raises:
        SuiteError: no item is in this language, or the file is not as above.
    """
    items: list[BenchItem] = []
    problems: list[str] = []
    for number, row in read_json_lines(data / LIST, problems):
        where = f"{LIST}:{number}"
        try:
            if not isinstance(row, dict) or row.get("lang", lang) == lang:
                items.append(_item(row, where, images, lang))
        except SuiteError as error:
            problems.append(problem_of(where, error))
    suite = Suite("plain", "Suite of one's own", lang, items, our_rubric(), tuple(problems))
    return made_suite(replace(suite, rejected=len(problems)))


def our_rubric() -> Protocol:
    """Returns our rubric for any edit: the report's three dimensions, 1 to 5."""
    return rubric(
        "General edits",
        lambda item: DIMENSIONS,  # noqa: ARG005
        scale=(LOWEST, HIGHEST),
        combine=lambda item, readings, view: {"score": readings[QUESTION]},  # noqa: ARG005
        metrics=(MEASURE,),
        facts={"expected_text": "Text that must be readable"},
    )


def write_plain(folder: Path, items: Sequence[BenchItem]) -> None:
    """Writes a suite as `load_plain` reads it, so that a run can be repeated without what made the suite."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(_row(folder, item), ensure_ascii=False, sort_keys=True) for item in items]
    (folder / LIST).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _row(folder: Path, item: BenchItem) -> Mapping[str, Any]:
    def stored(name: str, picture: Picture) -> str:
        path = f"pictures/{item.sample_id.replace('/', '_')}-{name}.png"
        (folder / path).write_bytes(picture.read())
        return path

    row = {
        "id": item.sample_id,
        "task": item.kind,
        "category": item.category,
        "instruction": item.instruction,
        "lang": item.lang,
        "sources": [stored(f"source{number}", picture) for number, picture in enumerate(item.sources)],
    }
    pictures = {"truth": item.truth, "mask": item.mask}
    texts = {"cluster": item.cluster, "expected_text": item.expected_text, "output": item.output}
    return {
        **row,
        **{name: stored(name, picture) for name, picture in pictures.items() if picture is not None},
        **{name: text for name, text in texts.items() if text is not None},
    }


def _item(row: Any, where: str, images: Path, lang: str) -> BenchItem:
    found = text_fields(row, ["id", "task", "instruction"], where)
    optional = text_fields(
        row, [n for n in ("category", "cluster", "output", "expected_text") if n in row], where
    )
    sources = row.get("sources")
    if not isinstance(sources, list) or not sources or not all(isinstance(name, str) for name in sources):
        raise SuiteError(f"{where}: sources must be a list of paths, found {sources!r:.60}.")
    expected = optional.get("expected_text")
    return BenchItem(
        sample_id=found["id"],
        kind=found["task"],
        category=optional.get("category", found["task"]),
        instruction=found["instruction"],
        sources=tuple(picture_below(images, name) for name in sources),
        truth=picture_below(images, str(row["truth"])) if row.get("truth") else None,
        lang=lang,
        cluster=optional.get("cluster"),
        output=optional.get("output", found["id"]),
        mask=picture_below(images, str(row["mask"])) if row.get("mask") else None,
        expected_text=expected,
        facts={"expected_text": expected} if expected else {},
    )
