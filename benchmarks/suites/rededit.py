"""REDEdit-Bench (report 4): 1,542 public items of 15 tasks, each in Chinese and in English."""

from dataclasses import replace
from pathlib import Path

from benchmarks.protocols.five_points import checked_prompts, rededit
from benchmarks.suites.item import ROW, BenchItem, SuiteError
from benchmarks.suites.suite import (
    Suite,
    made_suite,
    picture_below,
    problem_of,
    read_json_lines,
    read_prompts,
    text_fields,
)

LIST, PROMPTS = "redbench.jsonl", "prompts.json"
ITEMS = 1542
INSTRUCTION = {"zh": "a_to_b_instructions", "en": "a_to_b_instructions_eng"}
PUBLISHED = {"zh": "rededit_cn_table5", "en": "rededit_en_table6"}


def load_rededit(data: Path, images: Path, lang: str) -> Suite:
    """Returns REDEdit-Bench in one language.

    Args:
        data: folder with redbench.jsonl and prompts.json, as in FireRedTeam/FireRed-Image-Edit.
        images: folder in which `redbench/<task>/...` lies, from the data set FireRedTeam/REDEdit-Bench.
        lang: `zh` or `en`.

    Raises:
        SuiteError: the files are not those of the benchmark.
    """
    items: list[BenchItem] = []
    problems: list[str] = []
    for number, row in read_json_lines(data / LIST, problems):
        where = f"{LIST}:{number}"
        try:
            item = _item(row, where, images, lang)
            items.append(replace(item, facts={ROW: str(number - 1)}))
        except SuiteError as error:
            problems.append(problem_of(where, error))
    prompts = read_prompts(data / PROMPTS)
    if prompts is None:
        raise SuiteError(f"{data / PROMPTS} is missing: REDEdit-Bench is judged by its own prompts.")
    checked_prompts(prompts, {item.kind for item in items}, PROMPTS)
    return made_suite(
        Suite(
            name="rededit",
            title=f"REDEdit-Bench, {'Chinese' if lang == 'zh' else 'English'}",
            lang=lang,
            items=items,
            protocol=rededit(prompts),
            problems=tuple(problems),
            published=PUBLISHED[lang],
            expected=ITEMS,
            rejected=len(problems),
        )
    )


def _item(row: object, where: str, images: Path, lang: str) -> BenchItem:
    found = text_fields(row, ["id", "source", "task", INSTRUCTION[lang]], where)
    source = found["source"]
    return BenchItem(
        sample_id=found["id"],
        kind=found["task"],
        category=found["task"],
        instruction=found[INSTRUCTION[lang]],
        sources=(picture_below(images, source),),
        lang=lang,
        output=f"{found['task']}/{Path(source).stem}",
    )
