"""The four questions about edits of text that a judge is asked."""

import json

import numpy as np
import pytest
from toy_bench import rededit

from benchmarks.parsing.reading import State
from benchmarks.protocols.text_edit import DIMENSIONS, text_edit, text_edits_of
from benchmarks.report.references import published_references
from benchmarks.suites.catalogue import load_suite
from benchmarks.suites.item import BenchItem, picture_of_pixels
from benchmarks.suites.plain import load_plain
from models.vlm.messages import Say, Show

REPLY = "Reasoning: it says 2nd Edition.\nSuccessEdit: 10\nOverEdit: 9\nStyle: 7\nConsistency: 0"


def item(**facts) -> BenchItem:
    source = picture_of_pixels("s", np.zeros((8, 8, 3), np.uint8))
    return BenchItem("1", "text", "text", "Add “{2nd} Edition”", (source,), **facts)


def asked(**facts):
    (question,) = text_edit().questions(item(**facts))
    return question


def read(reply: str, view="strict"):
    protocol, question = text_edit(), asked()
    reading = protocol.read[view](question, reply, 1)
    return protocol.combine(item(), {question.name: reading}, view)


def test_a_judge_sees_both_pictures_unshrunk_and_the_words_of_the_request():
    question = asked()
    shown = [part for part in question.parts if isinstance(part, Show)]
    assert [part.role for part in shown] == ["source", "output"]
    assert {(part.transport.format, part.transport.longest_side) for part in shown} == {("png", None)}
    words = "".join(part.text for part in question.parts if isinstance(part, Say))
    assert "Add “{2nd} Edition”" in words
    assert all(f"{name}: a number from 0 to 10" in words for name in DIMENSIONS)
    assert "must be readable" not in words
    told = asked(expected_text="2nd Edition")
    assert "must be readable afterwards: 2nd Edition" in "".join(
        p.text for p in told.parts if isinstance(p, Say)
    )


def test_each_dimension_becomes_a_measure():
    found = read(REPLY)
    assert {name: reading.scores for name, reading in found.items()} == {
        "SuccessEdit": (10.0,), "OverEdit": (9.0,), "Style": (7.0,), "Consistency": (0.0,),
    }  # fmt: skip
    assert read(REPLY, "official") == found


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (REPLY.replace("Style: 7\n", ""), State.PARSE_FAILED),
        (REPLY.replace("10", "11"), State.PARSE_FAILED),
        (REPLY.replace("9", "9.5"), State.PARSE_FAILED),
        ("I'm sorry, but I can't help with that.", State.REFUSED),
        ("", State.PARSE_FAILED),
    ],
)
def test_a_reply_without_all_four_has_none(reply, state):
    assert {reading.state for reading in read(reply).values()} == {state}


def test_the_text_task_of_a_suite_is_judged_beside_the_published_table(tmp_path):
    suite = text_edits_of(load_suite("rededit", data=rededit(tmp_path), images=None, lang="en"))
    assert {item.kind for item in suite.items} == {"text"}
    references = published_references(suite)
    (best,) = [row for row in references.rows if row.name == "Nano-Banana-Pro"]
    assert list(best.figures) == ["OCR", *DIMENSIONS]
    assert list(best.figures.values()) == [0.984, 9.54, 9.63, 9.68, 9.53]
    assert len(references.rows) == 9


def test_a_suite_without_a_text_task_is_taken_whole(tmp_path):
    row = {"id": "1", "task": "sign", "instruction": "Add “a”", "sources": ["1.png"]}
    (tmp_path / "items.jsonl").write_text(json.dumps(row))
    suite = text_edits_of(load_plain(tmp_path, tmp_path, "en"))
    assert [item.sample_id for item in suite.items] == ["1"]
    assert suite.published is None
