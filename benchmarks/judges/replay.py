"""A judge that repeats stored replies: ours, or the result files of official scripts."""

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from benchmarks.judges.judge import Judge, JudgeRequest
from benchmarks.suites.item import ROW, BenchItem, SuiteError
from benchmarks.suites.suite import read_json
from models.common.files import file_digest
from models.vlm.client import Answer, ReplyState, request_key
from models.vlm.replies import read_positions, read_record

Place = tuple[str, str, str, int, int]
"""Model, sample, question, attempt and repeat of a reply."""

NOT_STORED = "no reply to this question is stored"


class ReplayJudge:
    """Repeats the replies of a store to identical questions; a question without a stored reply has failed.

    Only positions in the file are kept in memory; each reply is read when it is asked for.
    """

    def __init__(
        self, path: Path, identity: Mapping[str, Any], by_content: Mapping[str, int], places: Set[Place]
    ) -> None:
        self.identity = {"judge": "replay", **identity}
        self._path, self._by_content, self._places = path, by_content, places

    def ask(self, request: JudgeRequest) -> Answer:
        """Returns the stored answer."""
        position = self._by_content.get(request_key({}, request))
        if position is not None:
            return _stored(read_record(self._path, position))
        if _place(request) in self._places:
            return _never("the stored reply is about another image or another prompt")
        return _never(NOT_STORED)


class ResultFileJudge:
    """Repeats the replies of an official result file, which records neither prompts nor images."""

    def __init__(self, identity: Mapping[str, Any], answers: Mapping[Place, Answer]) -> None:
        self.identity = {"judge": "replay", **identity}
        self._answers = answers

    def ask(self, request: JudgeRequest) -> Answer:
        """Returns the stored answer."""
        return self._answers.get(_place(request)) or _never(NOT_STORED)


def replay_of(path: Path, items: Sequence[BenchItem], models: Sequence[str], question: str) -> Judge:
    """Returns a judge that repeats the replies of a file.

    The file is our replies.jsonl, whose replies are found by prompt and images; or an official result file,
    which is an object of replies by sample id (ImgEdit's result.json) or by row number (REDEdit's
    evaluation_details.json, rows counted from 0 in the order of redbench.jsonl) and belongs to one model.

    Args:
        path: of the file.
        items: of the suite.
        models: names of the models that are scored.
        question: the protocol's only question, which an official file answers.

    Raises:
        SuiteError: the file is neither, it has replies of several judges, or it is official and there are
            several models.
        RepliesError: a line of replies.jsonl is not a reply.
    """
    identity: dict[str, Any] = {"replies": path.name, "replies_sha256": file_digest(path)}
    if path.suffix == ".jsonl":
        return _of_store(path, identity)
    replies = read_json(path)
    if not isinstance(replies, dict):
        raise SuiteError(f"{path} must be a replies.jsonl file or a JSON object of replies by sample.")
    if len(models) != 1:
        raise SuiteError(f"{path} contains the replies about one model, but {len(models)} models are scored.")
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
    for number, (position, record) in enumerate(read_positions(path), start=1):
        if not _is_whole(record):
            raise SuiteError(f"{path}: reply {number} has no valid judge, content, place or text.")
        by_content[record["content"]] = position
        model, sample_id, question, attempt, repeat = record["place"]
        places.add((model, sample_id, question, attempt, repeat))
        judges.add(json.dumps(record["judge"], sort_keys=True))
    if len(judges) > 1:
        raise SuiteError(
            f"{path} contains replies of {len(judges)} judges, which must not be mixed: "
            f"{'; '.join(sorted(judges))}. Copy the lines of one `judge` to a file of their own."
        )
    answered_by = [json.loads(judge) for judge in judges]
    return ReplayJudge(path, {**identity, "answered_by": answered_by}, by_content, places)


def _place(request: JudgeRequest) -> Place:
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
        ReplyState(record["state"]),
        reply=record.get("reply", ""),
        raw=record.get("raw", ""),
        note=record.get("note", ""),
        tries=0,
    )


def _official(value: Any) -> Answer:
    if isinstance(value, str):
        return Answer(ReplyState.OK, reply=value, tries=0)
    return _never(f"the official script stored {value!r:.200}")


def _never(note: str) -> Answer:
    return Answer(ReplyState.API_FAILED, note=note, tries=0)
