"""ImgEdit-Bench: single edits of 9 types (basic), hard single edits (UGE), and edits in several turns."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.parsing.lines import HIGHEST, LOWEST, read_single
from benchmarks.parsing.reading import Reading
from benchmarks.protocols.five_points import PLACEHOLDER, checked_prompts, imgedit, metric
from benchmarks.protocols.protocol import Metric, Protocol
from benchmarks.protocols.rubric import QUESTION, RubricDimension, rubric
from benchmarks.scoring.aggregate import RULES
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
from models.vlm.messages import Question

BASIC, UGE, PROMPTS = "basic_edit.json", "UGE_edit.json", "prompts.json"
BASIC_ITEMS, UGE_ITEMS = 737, 47
UGE_PROMPT = "UGE"
"""Name under which prompts.json may hold the prompt of UGE_bench.py."""

UGE_MEASURE = Metric(
    "score", "Score, 1 to 5", LOWEST, HIGHEST, official=RULES["imgedit_uge"], strict=RULES["rise"]
)
OURS = [
    RubricDimension("Instruction Compliance", "the edit does all that was asked for, and nothing else."),
    RubricDimension("Naturalness", "the edit is seamless; nothing looks pasted, distorted or overdone."),
    RubricDimension("Preservation", "what was not to be edited is unchanged."),
]


def load_imgedit(data: Path, images: Path, lang: str) -> Suite:
    """Returns ImgEdit-Bench's basic suite: 737 items of 171 images, which are the bootstrap's clusters.

    Args:
        data: folder with basic_edit.json and prompts.json, as in PKU-YuanGroup/ImgEdit.
        images: the root of the benchmark's images.
        lang: `en`; there is no other.

    Raises:
        SuiteError: the files are not those of the benchmark.
    """
    items: list[BenchItem] = []
    problems: list[str] = []
    for key, row, where in _rows(data / BASIC):
        try:
            found = text_fields(row, ["id", "prompt", "edit_type"], where)
            items.append(_item(key, found, images, found["edit_type"]))
        except SuiteError as error:
            problems.append(problem_of(where, error))
    prompts = read_prompts(data / PROMPTS)
    if prompts is None:
        raise SuiteError(f"{data / PROMPTS} is missing: ImgEdit-Bench is judged by its own prompts.")
    checked_prompts(prompts, {item.kind for item in items}, PROMPTS)
    suite = Suite(
        "imgedit", "ImgEdit-Bench", lang, items, imgedit(prompts), tuple(problems), "imgedit_table3"
    )
    return made_suite(replace(suite, expected=BASIC_ITEMS, rejected=len(problems)))


def load_uge(data: Path, images: Path, lang: str) -> Suite:
    """Returns ImgEdit-Bench's 47 hard edits (UGE); prompts.json may hold the official prompt as `UGE`."""
    items: list[BenchItem] = []
    problems: list[str] = []
    for key, row, where in _rows(data / UGE):
        try:
            items.append(_item(key, text_fields(row, ["id", "prompt"], where), images, "uge"))
        except SuiteError as error:
            problems.append(problem_of(where, error))
    protocol = _uge_protocol(read_prompts(data / PROMPTS) or {})
    suite = Suite("imgedit_uge", "ImgEdit-Bench, UGE", lang, items, protocol, tuple(problems))
    return made_suite(replace(suite, expected=UGE_ITEMS, rejected=len(problems)))


def load_multiturn(data: Path, images: Path, lang: str) -> Suite:
    """Returns ImgEdit-Bench's edits in turns: an editor goes on from what it made of the turn before.

    Each turn is an item that is judged against the first image.

    The benchmark judges them by people, so there is no official prompt; ours asks whether the image shows
    all turns so far. Outputs are `<file>/<key>_turn<number>`, because keys begin anew in each of its files.
    """
    items: list[BenchItem] = []
    problems: list[str] = []
    for path in sorted(data.glob("*.json")):
        if path.name in (BASIC, UGE, PROMPTS):
            continue
        for key, row, where in _rows(path):
            try:
                items += _turns(f"{path.stem}-{key}", key, row, where, images=images, task=path.stem)
            except SuiteError as error:
                problems.append(problem_of(where, error))
    protocol = _ours("ImgEdit-Bench, several turns", "imgedit")
    title = "ImgEdit-Bench, several turns"
    suite = Suite("imgedit_multiturn", title, lang, items, protocol, tuple(problems))
    return made_suite(replace(suite, rejected=len(problems)))


def _rows(path: Path) -> Iterator[tuple[str, Any, str]]:
    rows = read_json(path)
    if not isinstance(rows, dict):
        raise SuiteError(f"{path} must be an object of items by key, as the benchmark's own file is.")
    for key, row in rows.items():
        yield key, row, f"{path.name}, item {key}"


def _item(key: str, found: Mapping[str, str], images: Path, kind: str) -> BenchItem:
    return BenchItem(
        sample_id=key,
        kind=kind,
        category=kind,
        instruction=found["prompt"],
        sources=(picture_below(images, found["id"]),),
        cluster=found["id"],
        output=key,
    )


def _turns(name: str, key: str, row: Any, where: str, *, images: Path, task: str) -> Iterator[BenchItem]:
    source = text_fields(row, ["id"], where)["id"]
    said: list[str] = []
    for number in range(1, 10):
        if f"turn{number}" not in row:
            break
        said.append(text_fields(row, [f"turn{number}"], where)[f"turn{number}"])
        yield BenchItem(
            sample_id=f"{name}-turn{number}",
            kind=task,
            category=f"turn {number}",
            instruction=" Then: ".join(said),
            sources=(picture_below(images, source),),
            cluster=source,
            output=f"{task}/{key}_turn{number}",
            after=f"{name}-turn{number - 1}" if number > 1 else None,
            turn=said[-1],
        )
    if not said:
        raise SuiteError(f"{where}: there is no turn1.")


def _read_single(question: Question, reply: str, attempt: int) -> Reading:  # noqa: ARG001
    return read_single(reply)


def _uge_protocol(prompts: Mapping[str, str]) -> Protocol:
    if UGE_PROMPT not in prompts:
        return _ours("ImgEdit-Bench, UGE", "imgedit_uge")
    if PLACEHOLDER not in prompts[UGE_PROMPT]:
        raise SuiteError(
            f"{PROMPTS}: the prompt {UGE_PROMPT!r} needs {PLACEHOLDER}, where the instruction is put. Take "
            "that of UGE_bench.py as it is."
        )
    base = imgedit({"uge": prompts[UGE_PROMPT]})
    return Protocol(
        name="ImgEdit-Bench UGE, official prompt",
        official=True,
        questions=base.questions,
        read={"official": base.read["official"], "strict": _read_single},
        combine=base.combine,
        metrics=(UGE_MEASURE,),
    )


def _ours(name: str, rule: str) -> Protocol:
    return rubric(
        name,
        lambda item: OURS,  # noqa: ARG005
        scale=(LOWEST, HIGHEST),
        combine=lambda item, readings, view: {"score": readings[QUESTION]},  # noqa: ARG005
        metrics=(metric(RULES[rule]) if rule == "imgedit" else UGE_MEASURE,),
        facts={},
    )
