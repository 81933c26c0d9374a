"""The curated file of a text benchmark: what each edit should write, remove and keep, and who checked it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from benchmarks.metrics.text.normal import normal
from benchmarks.suites.item import BenchItem, SuiteError, is_writable
from benchmarks.suites.suite import read_json_lines, text_fields
from models.common.files import write_atomically

Op = Literal["add", "replace", "delete", "style", "unknown"]
Review = Literal["proposed", "confirmed", "rejected"]

MAX_TEXTS, MAX_SIGNS = 32, 1000
"""Texts of one target, and signs of one text: more is no text in an image."""


@dataclass(frozen=True)
class TextTarget:
    """What an edit of text should come to.

    Attributes:
        id: sample id of the item.
        op: what is asked for; `unknown` where the instruction doesn't say it in words that were understood.
        old: texts that should be gone.
        new: texts that should be readable.
        keep: texts that should stay readable: those that get another style or place, and landmarks.
        lang: of the instruction, `en` or `zh`.
        review: `proposed` by the extractor, `confirmed` or `rejected` by a person.
        note: what makes it doubtful, or what the reviewer says.
    """

    id: str
    op: Op
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    lang: str = "en"
    review: Review = "proposed"
    note: str = ""

    @property
    def wanted(self) -> tuple[str, ...]:
        """The texts by which it is scored: those to be read, or for `delete` those to be gone."""
        return {"add": self.new, "replace": self.new, "delete": self.old, "style": self.keep}.get(self.op, ())

    def line(self) -> str:
        """Returns the row as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read_targets(path: Path) -> list[TextTarget]:
    """Returns the rows of a target file.

    Raises:
        SuiteError: it can't be read, a row is not as it should be, or an id is there twice.
    """
    problems: list[str] = []
    rows = [_target(row, f"{path}:{number}") for number, row in read_json_lines(path, problems)]
    if problems:  # a target that is left out in silence would be scored as if it were not curated
        raise SuiteError(f"{path}: {problems[0]}")
    twice = [name for name, count in Counter(row.id for row in rows).items() if count > 1]
    if twice:
        raise SuiteError(f"{path}: {twice[0]!r} has more than one row. Keep the one that is right.")
    return rows


def write_targets(path: Path, targets: Iterable[TextTarget]) -> None:
    """Writes rows one a line, whole or not at all."""
    write_atomically(path, "".join(f"{target.line()}\n" for target in targets).encode())


def merged(reviewed: Sequence[TextTarget], proposed: Sequence[TextTarget]) -> list[TextTarget]:
    """Returns proposals, except where a person has decided already; decisions on other samples stay too."""
    decided = {row.id: row for row in reviewed if row.review != "proposed"}
    rows = [decided.pop(row.id, row) for row in proposed]
    return [*rows, *decided.values()]


def reviewed(targets: Sequence[TextTarget], ids: Iterable[str], review: Review) -> list[TextTarget]:
    """Returns the rows with some of them decided.

    Raises:
        SuiteError: a row is missing, or it is confirmed although it says nothing that could be scored.
    """
    chosen = set(ids)
    missing = sorted(chosen - {row.id for row in targets})
    if missing:
        raise SuiteError(f"There is no row {missing[0]!r}. `list` shows the ids.")
    empty = [row.id for row in targets if row.id in chosen and review == "confirmed" and not row.wanted]
    if empty:
        raise SuiteError(f"{empty[0]} has no text to be scored by. Fill in old, new or keep first.")
    return [replace(row, review=review) if row.id in chosen else row for row in targets]


def targets_of_items(items: Sequence[BenchItem]) -> list[TextTarget]:
    """Returns the targets that a suite itself states: what has to be readable afterwards."""
    return [
        TextTarget(item.sample_id, "add", new=(item.expected_text,), lang=item.lang, review="confirmed",
                   note="stated by the suite")
        for item in items if item.expected_text and normal(item.expected_text)
    ]  # fmt: skip


def _target(row: Any, where: str) -> TextTarget:
    found = text_fields(row, ["id", "op"], where)
    unknown = sorted(set(row) - set(TextTarget.__dataclass_fields__))
    if unknown:
        raise SuiteError(f"{where}: there is no field {unknown[0]!r}. Fields are {_fields()}.")
    op, review = found["op"], row.get("review", "proposed")
    for name, value, allowed in (("op", op, get_args(Op)), ("review", review, get_args(Review))):
        if value not in allowed:
            raise SuiteError(f"{where}: {name} is {value!r:.40}, expected one of {', '.join(allowed)}.")
    for name in ("lang", "note"):
        if not isinstance(row.get(name, ""), str):
            raise SuiteError(f"{where}: {name} must be a text, found {row[name]!r:.40}.")
    texts = {name: _texts(row, name, where) for name in ("old", "new", "keep")}
    return TextTarget(
        id=found["id"],
        op=cast(Op, op),
        **texts,
        lang=row.get("lang", "en"),
        review=cast(Review, review),
        note=row.get("note", ""),
    )


def _texts(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = row.get(name, [])
    texts = [value] if isinstance(value, str) and value else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and is_writable(text) for text in texts):
        raise SuiteError(f"{where}: {name} must be a list of texts, found {value!r:.60}.")
    if len(texts) > MAX_TEXTS or any(len(text) > MAX_SIGNS for text in texts):
        raise SuiteError(f"{where}: {name} has over {MAX_TEXTS} texts, or one of over {MAX_SIGNS} signs.")
    blank = [text for text in texts if not normal(text)]
    if blank:
        raise SuiteError(f"{where}: {name} holds {blank[0]!r}, in which nothing can be seen.")
    return tuple(texts)


def _fields() -> str:
    return ", ".join(TextTarget.__dataclass_fields__)
