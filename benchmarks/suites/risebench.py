"""RISEBench: 360 edits that need reasoning (64 of them in git), of four categories."""

from dataclasses import replace
from pathlib import Path

from benchmarks.protocols.rise import FREE, SPOILED, rise, rise_rubric
from benchmarks.suites.item import BenchItem, SuiteError
from benchmarks.suites.suite import (
    Suite,
    made_suite,
    picture_below,
    problem_of,
    read_json,
    read_prompts,
    text_fields,
)

PROMPTS = "prompts.json"
ITEMS = 360
FACTS = ("reference", "reference_txt", "reasoning_img", FREE, "reasoning_wo_ins")


def load_risebench(data: Path, images: Path, lang: str) -> Suite:
    """Returns RISEBench; prompts.json may hold the variables of its utils.py, else our rubric judges.

    Args:
        data: folder with the benchmark's list, `data*.json`, or that file.
        images: the folder that the list's paths are relative to.
        lang: `en`; there is no other.

    Raises:
        SuiteError: the files are not those of the benchmark.
    """
    listed = _list(data)
    rows = read_json(listed)
    if not isinstance(rows, list):
        raise SuiteError(f"{listed} must be a list of items, as the benchmark's own file is.")
    spoiled = any(isinstance(row, dict) and row.get(FREE) for row in rows)
    items: list[BenchItem] = []
    problems: list[str] = []
    for number, row in enumerate(rows):
        where = f"{listed.name}, item {number}"
        try:
            items.append(_item(row, where, images, spoiled=spoiled))
        except SuiteError as error:
            problems.append(problem_of(where, error))
    prompts = read_prompts(listed.parent / PROMPTS)
    protocol = rise_rubric() if prompts is None else rise(prompts)
    suite = Suite("risebench", "RISEBench", lang, items, protocol, tuple(problems))
    return made_suite(replace(suite, expected=ITEMS, rejected=len(problems)))


def _list(data: Path) -> Path:
    if data.is_file():
        return data
    found = sorted(data.glob("data*.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise SuiteError(
            f"{data} must hold one list data*.json, found {names}. Give the file itself to --data."
        )
    return found[0]


def _item(row: object, where: str, images: Path, *, spoiled: bool) -> BenchItem:
    found = text_fields(row, ["index", "category", "instruction", "image"], where)
    assert isinstance(row, dict)
    facts = {name: str(row[name]) for name in FACTS if row.get(name)}
    reference = row.get("reference_img")
    return BenchItem(
        sample_id=found["index"],
        kind=found["category"],
        category=found["category"],
        instruction=found["instruction"],
        sources=(picture_below(images, found["image"]),),
        truth=picture_below(images, str(reference)) if reference else None,
        output=f"images/{found['category']}/{found['index']}",
        facts={**facts, **({SPOILED: "yes"} if spoiled else {})},
    )
