"""KRIS-Bench: 1,267 edits that need knowledge, in folders of 22 tasks and seven groups."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.protocols.kris import FRAMES, GROUPS, TEMPORAL, kris, kris_rubric
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

LIST, PROMPTS = "annotation.json", "prompts.json"
ITEMS = 1267
GROUP_OF = {folder: group for group, folders in GROUPS.items() for folder in folders}


def load_kris(data: Path, images: Path, lang: str) -> Suite:
    """Returns KRIS-Bench; prompts.json may hold the variables of its prompts.py, else our rubric judges.

    Args:
        data: the folder KRIS_Bench, with one folder a task and annotation.json in each.
        images: the same folder, or another with the same images.
        lang: `en`; there is no other.

    Raises:
        SuiteError: the files are not those of the benchmark.
    """
    items: list[BenchItem] = []
    problems: list[str] = []
    rejected = 0
    for path in sorted(data.glob(f"*/{LIST}")):
        folder = path.parent.name
        if folder not in GROUP_OF:
            problems.append(f"{path}: no group of KRIS-Bench has a folder {folder!r}.")
            continue
        rows = _rows(path, problems)
        for key, row in rows.items():
            where = f"{folder}/{LIST}, item {key}"
            try:
                items.append(_item(key, row, where, images / folder))
            except SuiteError as error:
                problems.append(problem_of(where, error))
                rejected += 1
    prompts = read_prompts(data / PROMPTS)
    protocol = kris_rubric() if prompts is None else kris(prompts)
    suite = Suite("kris", "KRIS-Bench", lang, items, protocol, tuple(problems))
    return made_suite(replace(suite, expected=ITEMS, rejected=rejected))


def _rows(path: Path, problems: list[str]) -> Mapping[str, Any]:
    try:
        rows = read_json(path)
    except SuiteError as error:
        problems.append(str(error))
        return {}
    if isinstance(rows, dict):
        return rows
    problems.append(f"{path} must be an object of items by id, as the benchmark's own file is.")
    return {}


def _item(key: str, row: Any, where: str, images: Path) -> BenchItem:
    folder = images.name
    instruction = text_fields(row, ["instruction"], where)["instruction"]
    sources = row.get("ori_img")
    names = sources if isinstance(sources, list) else [sources]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise SuiteError(f"{where}: ori_img must name pictures, found {sources!r:.60}.")
    truth, explain = row.get("gt_img"), row.get("explain")
    return BenchItem(
        sample_id=f"{folder}/{key}",
        kind=GROUP_OF[folder],
        category=folder,
        instruction=instruction,
        sources=tuple(picture_below(images, name) for name in names),
        truth=picture_below(images, truth) if isinstance(truth, str) and truth else None,
        output=f"{folder}/{key}",
        facts={
            **({"explain": explain} if isinstance(explain, str) and explain else {}),
            **(_frames(names) if folder == TEMPORAL else {}),
        },
    )


def _frames(names: Sequence[str]) -> dict[str, str]:
    """Returns the fact of which frames are given and which is to be made, from names such as `7-2.png`.

    The one that is missing of four is made, or the one after the last; as the official script decides.
    """
    numbers = [match.group(1) for name in names if (match := re.search(r"\d+-(\d{1,3})(?!\d)", name))]
    if len(numbers) != len(names):
        return {}
    missing = {1, 2, 3, 4} - {int(number) for number in numbers}
    made = missing.pop() if len(missing) == 1 else max(map(int, numbers)) + 1
    return {FRAMES: f"{' '.join(numbers)}/{made}"}
