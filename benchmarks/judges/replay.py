"""A judge that repeats stored replies: ours, or the result files of the official scripts."""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from benchmarks.judges.judge import Answer, Judge, Request, request_key
from benchmarks.judges.replies import read_places, read_record
from benchmarks.parsing.reading import State
from benchmarks.suites.item import ROW, BenchItem, SuiteError
from benchmarks.suites.suite import read_json

Place = tuple[str, str, str, int, int]
"""Model, sample, question, attempt and repeat of a reply."""

NOT_STORED = "no reply to this question is stored"


class ReplayJudge:
    """Repeats the replies of a store to the very same questions; what was not stored never came.

    Only places in the file are in memory: each reply is read when it is asked for.
    """

    def __init__(
        self, path: Path, identity: Mapping[str, Any], by_content: Mapping[str, int], places: Set[Place]
    ) -> None:
        self.identity = {"judge": "replay", **identity}
        self._path, self._by_content, self._places = path, by_content, places

    def ask(self, request: Request) -> Answer:
        """Returns the stored answer."""
        found = self._by_content.get(request_key({}, request))
        if found is not None:
            return _stored(read_record(self._path, found))
        if _place(request) in self._places:
            return _never("the stored reply is about another picture or another prompt")
        return _never(NOT_STORED)


class ResultFileJudge:
    """Repeats the replies of an official result file, which tells neither words nor pictures."""

    def __init__(self, identity: Mapping[str, Any], answers: Mapping[Place, Answer]) -> None:
        self.identity = {"judge": "replay", **identity}
        self._answers = answers

    def ask(self, request: Request) -> Answer:
        """Returns the stored answer."""
        return self._answers.get(_place(request)) or _never(NOT_STORED)


def replay_of(path: Path, items: Sequence[BenchItem], models: Sequence[str], question: str) -> Judge:
    """Returns a judge that repeats what a file holds.

    The file is our replies.jsonl, whose replies are found by words and pictures; or an official result file,
    which is an object of replies by sample id (ImgEdit's result.json) or by row number (REDEdit's
    evaluation_details.json, rows counted from 0 in the order of redbench.jsonl) and belongs to one model.

    Args:
        path: of the file.
        items: of the suite.
        models: that are scored.
        question: the protocol's only question, which an official file answers.

    Raises:
        SuiteError: the file is neither, it has replies of several judges, or it is official and there are
            several models.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    identity: dict[str, Any] = {"replies": path.name, "replies_sha256": digest}
    if path.suffix == ".jsonl":
        return _of_store(path, identity)
    replies = read_json(path)
    if not isinstance(replies, dict):
        raise SuiteError(f"{path} must be replies.jsonl or an object of replies by sample.")
    if len(models) != 1:
        raise SuiteError(f"{path} holds the replies about one model, and {len(models)} are scored.")
    by_name = {item.sample_id: item.sample_id for item in items}
    rows = {item.facts[ROW]: item.sample_id for item in items if ROW in item.facts}
    if rows and "0" in replies and "0" not in by_name:
        by_name = rows
    answers = {
        (models[0], by_name[name], question, 1, 0): _official(value)
        for name, value in replies.items()
        if name in by_name
    }
    if not answers:
        raise SuiteError(f"{path}: none of its {len(replies)} replies belongs to a sample of this suite.")
    return ResultFileJudge(identity, answers)


def _of_store(path: Path, identity: Mapping[str, Any]) -> ReplayJudge:
    by_content: dict[str, int] = {}
    places: set[Place] = set()
    judges: set[str] = set()
    for number, (place, record) in enumerate(read_places(path), start=1):
        if not _is_whole(record):
            raise SuiteError(f"{path}: reply {number} lacks its judge, content, place or words.")
        by_content[record["content"]] = place
        model, sample_id, question, attempt, repeat = record["place"]
        places.add((model, sample_id, question, attempt, repeat))
        judges.add(json.dumps(record["judge"], sort_keys=True))
    if len(judges) > 1:
        raise SuiteError(
            f"{path} holds replies of {len(judges)} judges, which must not be mixed: "
            f"{'; '.join(sorted(judges))}. Keep the lines of one `judge` in a file of their own."
        )
    answered_by = [json.loads(judge) for judge in judges]
    return ReplayJudge(path, {**identity, "answered_by": answered_by}, by_content, places)


def _place(request: Request) -> Place:
    question = request.question.name
    return request.model, request.sample_id, question, request.attempt, request.repeat


def _is_whole(record: Mapping[str, Any]) -> bool:
    place = record.get("place")
    return (
        isinstance(record.get("judge"), dict)
        and isinstance(record.get("content"), str)
        and isinstance(place, list)
        and [type(part) for part in place] == [str, str, str, int, int]
        and all(isinstance(record.get(name, ""), str) for name in ("reply", "raw", "note"))
    )


def _stored(record: Mapping[str, Any]) -> Answer:
    return Answer(
        State(record["state"]),
        reply=record.get("reply", ""),
        raw=record.get("raw", ""),
        note=record.get("note", ""),
        tries=0,
    )


def _official(value: Any) -> Answer:
    if isinstance(value, str):
        return Answer(State.OK, reply=value, tries=0)
    return _never(f"the official script stored {value!r:.200}")


def _never(note: str) -> Answer:
    return Answer(State.API_FAILED, note=note, tries=0)
