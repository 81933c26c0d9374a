"""TextEditBench: about 1,200 edits of text in images, with metadata as people typed them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.protocols.textedit import KNOWLEDGE, textedit, textedit_rubric
from benchmarks.suites.item import BenchItem, Picture, SuiteError
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
ITEMS = 1196
FIELDS = (
    "id", "topic", "prompt", "editing_method", "difficulty", "difficulty_score", "input_image",
    "output_image", "source_tag", KNOWLEDGE,
)  # fmt: skip
METHODS = (
    "text_delete", "text_insert", "text_change", "text_correction", "text_attribute", "text_relocation",
    "font_change", "translation", "position_shift", "rotation", "scaling",
)  # fmt: skip
CLOSE = 0.8
"""How alike a mistyped name must be to the right one: `konwledge_prompt` is 0.94, two fields at most 0.79."""


def load_textedit(data: Path, images: Path, lang: str) -> Suite:
    """Returns TextEditBench; prompts.json may hold its prompts as IF, TA, VC, LP and SE, else our rubric.

    Mistyped names of fields and of methods are read as what they are closest to. A sample's images lie in
    the folder of its metadata, masks beside them as `<name>_mask`.

    Args:
        data: a folder of folders with one JSON file a sample, or one list of all samples with `_path`.
        images: the folder that `_path` is relative to; without a list, the same as `data`.
        lang: `en`; the few instructions that quote other scripts are English, too.

    Raises:
        SuiteError: the files are not those of the benchmark.
    """
    items: list[BenchItem] = []
    problems: list[str] = []
    for row, folder, where in _samples(data, images, problems):
        try:
            items.append(_item(row, images, folder, where))
        except SuiteError as error:
            problems.append(problem_of(where, error))
    prompts = read_prompts((data if data.is_dir() else data.parent) / PROMPTS)
    protocol = textedit_rubric() if prompts is None else textedit(prompts)
    suite = Suite("textedit", "TextEditBench", lang, items, protocol, tuple(problems))
    return made_suite(replace(suite, expected=ITEMS, rejected=len(problems)))


def mended(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row whose mistyped field names and method are put right; unknown fields are left out."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        close = get_close_matches(name.strip().replace(" ", "_").lower(), FIELDS, n=1, cutoff=CLOSE)
        if close:
            found.setdefault(close[0], value)
    method = str(found.get("editing_method", "")).strip().lower()
    close = get_close_matches(method, METHODS, n=1, cutoff=CLOSE)
    return {**found, "editing_method": close[0] if close else method}


def _samples(data: Path, images: Path, problems: list[str]) -> Iterator[tuple[Any, PurePosixPath, str]]:
    """Yields each sample with its folder below the images; one folder holds one sample."""
    for path in [data] if data.is_file() else sorted(data.rglob("*.json")):
        if path.name == PROMPTS:
            continue
        try:
            rows = read_json(path)
        except SuiteError as error:
            problems.append(str(error))
            continue
        for number, row in enumerate(rows if isinstance(rows, list) else [rows]):
            listed = row.get("_path") if isinstance(row, dict) else None
            folder = PurePosixPath(str(listed)).parent if listed else _below(path.parent, images)
            yield row, folder, f"{path.name}, sample {number}"


def _below(folder: Path, images: Path) -> PurePosixPath:
    try:
        return PurePosixPath(folder.relative_to(images).as_posix())
    except ValueError:
        raise SuiteError(f"{folder} is not below {images}: pictures lie beside their metadata.") from None


def _item(row: Any, images: Path, folder: PurePosixPath, where: str) -> BenchItem:
    if not isinstance(row, dict):
        raise SuiteError(f"{where}: expected an object, found {type(row).__name__}.")
    fields = mended(row)
    found = text_fields(fields, ["id", "prompt", "input_image"], where)
    target, knowledge = fields.get("output_image"), fields.get(KNOWLEDGE)
    has_target = isinstance(target, str) and bool(target.strip())
    facts = {"editing_method": fields["editing_method"], "difficulty": str(fields.get("difficulty", ""))}
    if isinstance(knowledge, str) and knowledge.strip():
        facts[KNOWLEDGE] = knowledge
    return BenchItem(
        sample_id=folder.as_posix(),  # ids are not unique upstream, folders are
        kind=fields["editing_method"] or "unknown",
        category=str(fields.get("topic") or folder.parent.name),
        instruction=found["prompt"],
        sources=(picture_below(images, str(folder / found["input_image"])),),
        truth=picture_below(images, str(folder / str(target))) if has_target else None,
        output=folder.as_posix(),
        mask=_mask(images, folder, str(target) if has_target else found["input_image"]),
        facts=facts,
    )


def _mask(images: Path, folder: PurePosixPath, name: str) -> Picture | None:
    path = folder / f"{Path(name).stem}_mask.jpg"
    return picture_below(images, str(path)) if (images / path).exists() else None
