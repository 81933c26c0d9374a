"""Scores of outputs by a judge: each question is asked once, each reply is stored, each reading is a row."""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.judges.judge import Judge, JudgeRequest
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import VIEWS, Protocol, View, source_roles
from benchmarks.scoring.table import score_row, score_table
from benchmarks.suites.item import BenchItem, MissingPictureError, read_limited
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.suite import Suite
from benchmarks.suites.thumbnails import ThumbnailCache
from models.common.canonical import UnreadableImageError
from models.common.progress import Progress
from models.vlm.client import prompt_digest, request_key
from models.vlm.messages import ImageRole, Question
from models.vlm.redact import redact
from models.vlm.replies import Replies
from models.vlm.transport import ImagePayload

UNANSWERED = (State.API_FAILED, State.CUT_OFF)

MAX_RAW = 60_000
"""Number of characters of a response that are stored; a reply of 8,192 tokens is shorter."""


@dataclass
class _Claims:
    """Keeps two threads from asking the same question at once."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    locks: dict[str, threading.Lock] = field(default_factory=dict)

    @contextmanager
    def __call__(self, key: str) -> Iterator[None]:
        with self.lock:
            own = self.locks.setdefault(key, threading.Lock())
        with own:
            yield


@dataclass(frozen=True)
class Session:
    """What all questions of a run share; `asked` has the keys of those that this run has asked."""

    suite: str
    protocol: Protocol
    judge: Judge
    replies: Replies
    thumbnails: ThumbnailCache
    repeats: int
    claims: _Claims = field(default_factory=_Claims)
    asked: set[str] = field(default_factory=set)


def judge_outputs(
    suite: Suite,
    outputs: Mapping[str, Outputs],
    session: Session,
    *,
    parallel: int,
    progress: Progress,
) -> pl.DataFrame:
    """Returns rows of `benchmarks.scoring.table.SCORES`, one for each model, item, metric, view and repeat.

    A question that has a reply in the session's store is not asked again, nor one that failed in this session
    for another scoring mode or an equal output. The scoring modes send different images only if an image is
    rotated by its metadata or transparent; otherwise both use the same reply.

    Args:
        suite: the items.
        outputs: by model.
        session: judge, protocol and store.
        parallel: number of items judged at once.
        progress: called with the number of finished items.

    Raises:
        ClientUnavailableError: the judge cannot answer any question; replies so far are kept.
    """
    units = [(model, item) for model in outputs for item in suite.items]
    rows: list[dict[str, Any]] = []
    pool = ThreadPoolExecutor(parallel, thread_name_prefix="judge")
    try:
        judged = pool.map(lambda unit: _judge_item(session, outputs[unit[0]], *unit), units)
        for done, found in enumerate(judged, start=1):
            rows += found
            progress(f"judge {suite.name}", done, len(units))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return score_table(rows)


def read_payload(
    item: BenchItem, output: Path | None, problem: str, thumbnails: ThumbnailCache
) -> ImagePayload | Reading:
    """Returns the image files of an item, or why there is nothing to judge.

    Each file is decoded completely before a judge sees it, so that a corrupt one is never judged.
    """
    files: dict[ImageRole, bytes] = {}
    digests: dict[ImageRole, str] = {}

    def add(role: ImageRole, data: bytes) -> None:
        files[role], digests[role] = data, thumbnails.add(data)

    try:
        for role, picture in zip(source_roles(item), item.sources, strict=True):
            add(role, picture.read())
        if item.truth is not None:
            add("reference", item.truth.read())
    except (MissingPictureError, UnreadableImageError) as error:
        return Reading(State.MISSING_SOURCE, note=str(error))
    if output is None:
        return Reading(State.MISSING_OUTPUT, note=problem)
    try:
        add("output", read_limited(output))
    except (MissingPictureError, UnreadableImageError) as error:
        return Reading(State.MISSING_OUTPUT, note=f"{output.name}: {error}")
    return ImagePayload(files, digests)


def _judge_item(session: Session, outputs: Outputs, model: str, item: BenchItem) -> list[dict[str, Any]]:
    path, problem = outputs.paths.get(item.sample_id), outputs.problems.get(item.sample_id, "")
    payload = read_payload(item, path, problem, session.thumbnails)
    rows = []
    for repeat in range(session.repeats):
        for view in VIEWS:
            if isinstance(payload, Reading):
                readings = {question.name: payload for question in session.protocol.questions(item)}
                keys: list[str] = []
            else:
                readings, keys = _ask_item(session, model, item, payload, view=view, repeat=repeat)
            for metric, reading in session.protocol.combine(item, readings, view).items():
                rows.append(
                    score_row(model, item, metric, view=view, repeat=repeat, reading=reading, replies=keys)
                )
    return rows


def _ask_item(
    session: Session, model: str, item: BenchItem, payload: ImagePayload, *, view: View, repeat: int
) -> tuple[dict[str, Reading], list[str]]:
    """Returns the readings of an item's questions in one scoring mode, and the keys of their replies."""
    protocol = session.protocol
    readings: dict[str, Reading] = {}
    keys: list[str] = []
    for attempt in range(1, protocol.attempts + 1):
        found: dict[str, Reading] = {}
        asked, settled = [], True
        for question in protocol.questions(item):
            request = JudgeRequest(
                suite=session.suite,
                model=model,
                sample_id=item.sample_id,
                lang=item.lang,
                question=question,
                attempt=attempt,
                repeat=repeat,
                payload=payload,
                upright=view == "strict" and payload.needs_normalizing(question.depends_on()),
            )
            record = _answer(session, request)
            found[question.name] = _read(protocol, view, question, record, attempt)
            settled &= _read(protocol, "official", question, record, attempt).state is not State.PARSE_FAILED
            asked.append(record["key"])
        if attempt > 1 and any(reading.state in UNANSWERED for reading in found.values()):
            break  # keep the result of the first attempt if the service fails at the second
        readings, keys = found, asked
        if settled:
            break
    return readings, keys


def _answer(session: Session, request: JudgeRequest) -> Mapping[str, Any]:
    key = request_key(session.judge.identity, request)
    with session.claims(key):
        if key in session.asked or session.replies.answered(key):
            record = session.replies.get(key)
            assert record is not None
            return record
        record = _asked(session.judge, request, key)
        session.replies.append(record)
        session.asked.add(key)
    return record


def _asked(judge: Judge, request: JudgeRequest, key: str) -> dict[str, Any]:
    answer = judge.ask(request)
    question = request.question
    return {
        "key": key,
        "content": request_key({}, request),
        "suite": request.suite,
        "lang": request.lang,
        "place": [request.model, request.sample_id, question.name, request.attempt, request.repeat],
        "judge": dict(judge.identity),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "prompt_sha256": prompt_digest(question),
        "pictures": request.image_records(),
        "upright": request.upright,
        "state": str(answer.state),
        "reply": _storable(answer.reply),
        "raw": _storable(answer.raw)[:MAX_RAW],
        "note": _storable(answer.note),
        "tries": answer.tries,
    }


def _storable(text: str) -> str:
    """Returns the text without keys, and with U+FFFD for unpaired surrogates, as of a cut emoji."""
    return redact(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read(
    protocol: Protocol, view: View, question: Question, record: Mapping[str, Any], attempt: int
) -> Reading:
    state = State(record["state"])
    if state is not State.OK:
        return Reading(state, note=record["note"])
    return protocol.read[view](question, record["reply"], attempt)


def protocol_digest(protocol: Protocol, items: Sequence[BenchItem]) -> str:
    """Returns a digest of all prompts of the protocol about these items."""
    total = hashlib.sha256()
    for item in items:
        for question in protocol.questions(item):
            total.update(prompt_digest(question).encode())
    return total.hexdigest()
