"""Outputs before a judge: states, views, repeats, attempts, and that nothing is asked twice."""

import json
import threading
import tracemalloc
from collections import Counter
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest
import toy_bench
from PIL import Image
from toy_bench import GEDIT_PARTS, item, outputs, reply, write
from toy_suite import picture

from benchmarks.judges.replay import replay_of
from benchmarks.protocols.five_points import rededit
from benchmarks.protocols.gedit import gedit
from benchmarks.scoring.judge_outputs import Session, judge_outputs, protocol_digest
from benchmarks.scoring.table import SCORES
from benchmarks.suites.catalogue import load_suite
from benchmarks.suites.item import MissingPictureError, Picture, SuiteError
from benchmarks.suites.outputs import find_outputs
from benchmarks.suites.suite import Suite, made_suite
from benchmarks.suites.thumbnails import ThumbnailCache
from models.common.pixels import encode_png
from models.common.progress import silent
from models.vlm.client import Answer, ClientUnavailableError, ReplyState
from models.vlm.replies import Replies, read_records

PROMPTS = {"add": toy_bench.prompt("add")}
ITEMS = [item(str(number)) for number in range(4)]


class Scripted:
    """A judge that answers by sample, question, attempt and repeat, and counts what it is asked."""

    def __init__(self, answers):
        self.answers, self.asked, self.lock = answers, [], threading.Lock()
        self.identity = {"judge": "scripted"}

    def ask(self, request):
        place = (request.model, request.sample_id, request.question.name, request.attempt, request.repeat)
        with self.lock:
            self.asked.append(place)
        answer = self.answers(request)
        return Answer(ReplyState.OK, reply=answer) if isinstance(answer, str) else answer


@contextmanager
def session_in(folder, judge, protocol=None, repeats=1):
    store = Replies(folder / "replies.jsonl")
    thumbnails = ThumbnailCache(folder / "thumbnails")
    try:
        yield Session("toy", protocol or rededit(PROMPTS), judge, store, thumbnails, repeats=repeats)
    finally:
        store.close()


def judged(folder, judge, models, items=ITEMS, parallel=4, **how):
    suite = made_suite(Suite("toy", "Toy", "en", items, how.get("protocol") or rededit(PROMPTS)))
    found = {model: find_outputs(place, suite.items) for model, place in models.items()}
    with session_in(folder, judge, **how) as session:
        return judge_outputs(suite, found, session, parallel=parallel, progress=silent)


@pytest.fixture
def one_model(tmp_path):
    return {"mine": outputs(tmp_path / "outputs", ITEMS)}


def states(scores, view="strict"):
    return dict(scores.filter(view=view).select("sample_id", "state").iter_rows())


def test_every_sample_has_a_row_in_either_view(tmp_path, one_model):
    scores = judged(tmp_path, Scripted(lambda request: reply(3, 5, 2)), one_model)
    assert scores.schema == SCORES
    assert scores.height == 2 * len(ITEMS)
    by_view = {view: rows["values"].to_list()[0] for (view,), rows in scores.group_by("view")}
    assert by_view == {"official": [3.0, 5.0, 2.0], "strict": [3.0, 3.0, 2.0]}
    assert set(scores.filter(view="strict")["note"]) == {"lowered to the first score: [3.0, 5.0, 2.0]"}


def test_every_state_is_told_and_none_is_a_score(tmp_path):
    items = [item(name) for name in ("ok", "refused", "silent", "garbled", "lost", "broken", "bomb")]

    def gone():
        raise MissingPictureError("no such source")

    items.append(item("sourceless", sources=(Picture("gone", gone),)))
    folder = outputs(
        tmp_path / "outputs", [one for one in items if one.sample_id not in ("lost", "sourceless")]
    )
    write(folder / "broken.png", (folder / "ok.png").read_bytes()[:100])
    write(folder / "bomb.png", _bomb())
    write(folder / "sourceless.png", (folder / "ok.png").read_bytes())
    told = {
        "ok": reply(5, 5, 5), "refused": "I'm sorry, but I can't assist with that.",
        "garbled": "Lovely!", "silent": Answer(ReplyState.API_FAILED, note="status 503"),
    }  # fmt: skip
    judge = Scripted(lambda request: told[request.sample_id])
    scores = judged(tmp_path, judge, {"mine": folder}, items)
    expected = {
        "ok": "ok", "refused": "refused", "silent": "api_failed", "garbled": "parse_failed",
        "lost": "missing_output", "broken": "missing_output", "bomb": "missing_output",
        "sourceless": "missing_source",
    }  # fmt: skip
    assert states(scores) == states(scores, "official") == expected
    assert {place[1] for place in judge.asked} == set(told)  # nobody is asked about what cannot be shown
    assert scores.filter(pl.col("state") != "ok")["values"].list.len().sum() == 0
    notes = dict(scores.filter(view="strict").select("sample_id", "note").iter_rows())
    assert "exceeds limit" in notes["bomb"]
    assert notes["sourceless"] == "no such source"
    assert notes["lost"].startswith("there is no output lost.png")


def _bomb() -> bytes:
    """A PNG of a few hundred bytes whose header promises 2.5 gigapixels."""
    data = bytearray(encode_png(np.zeros((8, 8, 3), np.uint8)))
    data[16:24] = (50_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def test_no_answered_question_is_asked_again_and_what_failed_is(tmp_path, one_model):
    first = Scripted(lambda r: Answer(ReplyState.API_FAILED) if r.sample_id == "2" else reply(4, 4, 4))
    judged(tmp_path, first, one_model)
    second = Scripted(lambda request: reply(2, 2, 2))
    scores = judged(tmp_path, second, one_model)
    assert [place[1] for place in second.asked] == ["2"]
    values = dict(scores.filter(view="strict").select("sample_id", "values").iter_rows())
    assert values["2"] == [2.0, 2.0, 2.0]
    assert values["1"] == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("state", [ReplyState.API_FAILED, ReplyState.CUT_OFF])
def test_a_question_that_fails_is_asked_once_for_all_views_and_models_and_again_in_the_next_run(
    tmp_path, one_model, state
):
    failing = iter([Answer(state, note="status 503", tries=6)] * 2)
    judge = Scripted(lambda r: next(failing, reply(4, 4, 4)))
    twice = {"mine": one_model["mine"], "same": one_model["mine"]}
    scores = judged(tmp_path, judge, twice, parallel=1)
    assert len(judge.asked) == len(ITEMS)
    expected = {"0": str(state), "1": str(state), "2": "ok", "3": "ok"}
    assert states(scores) == states(scores, "official") == expected
    assert sum(record["tries"] for record in read_records(tmp_path / "replies.jsonl")) == 6 + 6 + 1 + 1
    again = Scripted(lambda request: reply(4, 4, 4))
    assert set(states(judged(tmp_path, again, one_model)).values()) == {"ok"}
    assert sorted(place[1] for place in again.asked) == ["0", "1"]


def test_half_a_sign_in_a_reply_stops_no_run_now_or_when_it_goes_on(tmp_path, one_model):
    cut = reply(4, 4, 4) + "\n\ud83d"
    told = {
        "0": cut,
        "1": Answer(ReplyState.OK, reply=cut, raw=cut),
        "2": Answer(ReplyState.REFUSED, note="\udc00 no"),
    }
    scores = judged(tmp_path, Scripted(lambda r: told.get(r.sample_id, reply(4, 4, 4))), one_model)
    assert states(scores) == {"0": "ok", "1": "ok", "2": "refused", "3": "ok"}
    again = Scripted(lambda request: reply(1, 1, 1))
    assert judged(tmp_path, again, one_model).equals(scores)
    assert again.asked == []
    # Replies are stored in the order in which they come, which is another one every time.
    stored = {record["place"][1]: record["reply"] for record in read_records(tmp_path / "replies.jsonl")}
    assert stored["0"] == stored["1"] == reply(4, 4, 4) + "\n\ufffd"
    official = toy_bench.write_json(tmp_path / "result.json", {"0": "x"})
    official.write_text(json.dumps({"0": cut}))
    assert states(replayed(tmp_path, official, one_model))["0"] == "ok"


def test_another_judge_other_words_or_another_picture_are_another_question(tmp_path, one_model):
    judged(tmp_path, Scripted(lambda request: reply(4, 4, 4)), one_model)
    other = Scripted(lambda request: reply(4, 4, 4))
    other.identity = {"judge": "scripted", "temperature": 1}
    judged(tmp_path, other, one_model)
    assert len(other.asked) == 4
    words = Scripted(lambda request: reply(4, 4, 4))
    changed = rededit({"add": PROMPTS["add"].replace("Judge", "Weigh")})
    judged(tmp_path, words, one_model, protocol=changed)
    assert len(words.asked) == 4
    outputs(one_model["mine"], ITEMS[:1], shift=9)
    pictures = Scripted(lambda request: reply(4, 4, 4))
    judged(tmp_path, pictures, one_model)
    assert [place[1] for place in pictures.asked] == ["0"]


def test_two_models_with_the_same_output_share_an_answer(tmp_path):
    models = {name: outputs(tmp_path / name, ITEMS) for name in ("a", "b", "c")}
    judge = Scripted(lambda request: reply(4, 4, 4))
    scores = judged(tmp_path, judge, models, parallel=16)
    assert len(judge.asked) == len(ITEMS)
    assert scores.height == 3 * 2 * len(ITEMS)


def test_a_turned_picture_is_asked_about_once_in_each_view(tmp_path):
    folder = outputs(tmp_path / "outputs", ITEMS)
    image = Image.fromarray(picture("turned", 20, 40))
    exif = image.getexif()
    exif[274] = 6
    image.save(folder / "0.png", exif=exif)
    judge = Scripted(lambda request: reply(5, 5, 5) if request.upright else reply(1, 1, 1))
    scores = judged(tmp_path, judge, {"mine": folder})
    assert Counter(place[1] for place in judge.asked) == {"0": 2, "1": 1, "2": 1, "3": 1}
    turned = dict(scores.filter(sample_id="0").select("view", "values").iter_rows())
    assert turned == {"official": [1.0] * 3, "strict": [5.0] * 3}
    assert {one["upright"] for one in read_records(tmp_path / "replies.jsonl")} == {True, False}


def test_repeats_are_asked_as_questions_of_their_own(tmp_path, one_model):
    judge = Scripted(lambda request: reply(*[request.repeat + 1] * 3))
    scores = judged(tmp_path, judge, one_model, repeats=3)
    assert len(judge.asked) == 3 * len(ITEMS)
    values = scores.filter(view="strict", sample_id="0")["values"].to_list()
    assert values == [[1.0] * 3, [2.0] * 3, [3.0] * 3]


def score(*values):
    return json.dumps({"score": list(values), "reasoning": "so"})


def gedit_answers(answers):
    return lambda request: answers[request.question.name, request.attempt]


def test_gedit_asks_both_questions_again_where_the_official_script_finds_no_scores(tmp_path, one_model):
    answers = {("SC", 1): "Sure!", ("PQ", 1): score(9, 9), ("SC", 2): score(4, 8), ("PQ", 2): score(1, 8)}
    judge = Scripted(gedit_answers(answers))
    scores = judged(tmp_path, judge, one_model, ITEMS[:1], protocol=gedit(GEDIT_PARTS))
    assert sorted(place[2:4] for place in judge.asked) == [("PQ", 1), ("PQ", 2), ("SC", 1), ("SC", 2)]
    for view in ("official", "strict"):
        values = dict(scores.filter(view=view).select("measure", "values").iter_rows())
        assert values == {"SC": [4.0], "PQ": [1.0], "O": [2.0]}


def test_what_the_official_script_would_draw_at_random_is_a_state(tmp_path, one_model):
    answers = {("SC", 1): "Hm.", ("SC", 2): "[6, 0]", ("PQ", 1): score(9, 9), ("PQ", 2): score(9, 9)}
    judge = Scripted(gedit_answers(answers))
    scores = judged(tmp_path, judge, one_model, ITEMS[:1], protocol=gedit(GEDIT_PARTS))
    official = scores.filter(view="official", measure="O").to_dicts()[0]
    assert official["state"] == "parse_failed"
    assert "draws a random score" in official["note"]


@pytest.mark.parametrize("state", [ReplyState.API_FAILED, ReplyState.CUT_OFF])
def test_what_fails_at_the_second_attempt_leaves_what_the_first_one_said(tmp_path, one_model, state):
    answers = {("SC", 1): "Sure!", ("PQ", 1): score(9, 9), ("PQ", 2): score(9, 9)}
    gone = Answer(state, note="status 503")
    scores = judged(
        tmp_path, Scripted(lambda r: answers.get((r.question.name, r.attempt), gone)), one_model, ITEMS[:1],
        protocol=gedit(GEDIT_PARTS),
    )  # fmt: skip
    assert set(states(scores).values()) == {"parse_failed"}


def test_a_refused_question_is_not_asked_again(tmp_path, one_model):
    answers = {("SC", 1): Answer(ReplyState.REFUSED, note="filtered"), ("PQ", 1): score(9, 9)}
    judge = Scripted(gedit_answers(answers))
    scores = judged(tmp_path, judge, one_model, ITEMS[:1], protocol=gedit(GEDIT_PARTS))
    assert len(judge.asked) == 2
    assert set(states(scores).values()) == {"refused"}


def test_a_judge_that_can_answer_nothing_stops_the_run_and_keeps_what_it_said(tmp_path, one_model):
    def answer(request):
        if request.sample_id == "3":
            raise ClientUnavailableError("The service refuses every request.")
        return reply(4, 4, 4)

    with pytest.raises(ClientUnavailableError):
        judged(tmp_path, Scripted(answer), one_model, parallel=1)
    assert len(list(read_records(tmp_path / "replies.jsonl"))) == 3
    again = Scripted(lambda request: reply(4, 4, 4))
    judged(tmp_path, again, one_model)
    assert [place[1] for place in again.asked] == ["3"]


def test_a_reply_is_stored_with_all_that_decided_it(tmp_path, one_model):
    judged(tmp_path, Scripted(lambda request: reply(4, 4, 4)), one_model, ITEMS[:1])
    (stored,) = read_records(tmp_path / "replies.jsonl")
    assert stored["place"] == ["mine", "0", "edit", 1, 0]
    assert stored["judge"] == {"judge": "scripted"}
    assert (stored["suite"], stored["lang"], stored["upright"], stored["tries"]) == ("toy", "en", False, 1)
    assert stored["date"].endswith("+00:00")
    assert [one["role"] for one in stored["pictures"]] == ["source", "output"]
    assert {len(one["file_sha256"]) for one in stored["pictures"]} == {64}
    assert len(stored["prompt_sha256"]) == len(stored["content"]) == 64


def replayed(folder, path, models, items=ITEMS, into="again", **how):
    protocol = how.get("protocol") or rededit(PROMPTS)
    question = protocol.questions(items[0])[0].name
    return judged(folder / into, replay_of(path, items, list(models), question), models, items, **how)


def test_stored_replies_give_the_same_scores_without_a_judge(tmp_path, one_model):
    judge = Scripted(lambda request: reply(int(request.sample_id) + 1, 2, 1))
    scores = judged(tmp_path, judge, one_model, repeats=2)
    again = replayed(tmp_path, tmp_path / "replies.jsonl", one_model, repeats=2)
    assert again.drop("replies").equals(scores.drop("replies"))


def test_a_stored_reply_belongs_to_its_words_and_pictures(tmp_path, one_model):
    judged(tmp_path, Scripted(lambda request: reply(4, 4, 4)), one_model)
    outputs(one_model["mine"], ITEMS[:1], shift=9)
    scores = replayed(tmp_path, tmp_path / "replies.jsonl", one_model, [*ITEMS, item("new")])
    notes = dict(scores.filter(view="strict").select("sample_id", "note").iter_rows())
    assert states(scores)["1"] == "ok"
    assert (states(scores)["0"], notes["0"]) == (
        "api_failed", "the stored reply is about another image or another prompt",
    )  # fmt: skip
    renamed = {"theirs": one_model["mine"]}
    assert states(replayed(tmp_path, tmp_path / "replies.jsonl", renamed, into="renamed"))["1"] == "ok"


def test_result_files_of_the_official_scripts_are_replayed(tmp_path, one_model):
    by_key = {"0": reply(5, 4, 3), "1": {"error": "Image conversion failed"}, "2": "Error: 429"}
    path = toy_bench.write_json(tmp_path / "result.json", by_key)
    scores = replayed(tmp_path, path, one_model)
    assert states(scores) == {"0": "ok", "1": "api_failed", "2": "parse_failed", "3": "api_failed"}
    notes = dict(scores.filter(view="strict").select("sample_id", "note").iter_rows())
    assert "the official script stored {'error'" in notes["1"]
    assert notes["3"] == "no reply to this question is stored"


def test_rededits_details_are_joined_by_row_of_the_list_though_a_row_cannot_be_used(tmp_path):
    data = toy_bench.rededit(tmp_path / "data", 4)
    lines = (data / "redbench.jsonl").read_text().splitlines()
    lines[1] = lines[1].replace('"task"', '"tusk"')
    (data / "redbench.jsonl").write_text("\n".join([*lines[:2], lines[3], lines[2]]))  # not in order of ids
    suite = load_suite("rededit", data=data, images=None, lang="en")
    assert len(suite.items) == 3
    folder = {"mine": outputs(tmp_path / "outputs", suite.items)}
    details = {str(row): reply(*[row + 1] * 3) for row in range(4)}
    path = toy_bench.write_json(tmp_path / "evaluation_details.json", details)
    scores = replayed(tmp_path, path, folder, suite.items, protocol=suite.protocol)
    values = dict(scores.filter(view="strict").select("sample_id", "values").iter_rows())
    assert values == {"1": [1.0] * 3, "4": [3.0] * 3, "3": [4.0] * 3}


def test_a_replay_keeps_no_reply_in_memory(tmp_path, one_model):
    long = reply(4, 4, 4) + "\n" + "x" * 50_000
    judged(tmp_path, Scripted(lambda request: Answer(ReplyState.OK, reply=long, raw=long)), one_model)
    tracemalloc.start()
    judge = replay_of(tmp_path / "replies.jsonl", ITEMS, ["mine"], "edit")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20_000
    assert set(states(judged(tmp_path / "again", judge, one_model)).values()) == {"ok"}


def test_replies_of_two_judges_are_not_mixed(tmp_path, one_model):
    for temperature in (0, 1):
        judge = Scripted(lambda request: reply(4, 4, 4))
        judge.identity = {"judge": "scripted", "temperature": temperature}
        judged(tmp_path, judge, one_model)
    with pytest.raises(SuiteError, match=r'contains replies of 2 judges.*"temperature": 0.*"temperature": 1'):
        replay_of(tmp_path / "replies.jsonl", ITEMS, ["mine"], "edit")


@pytest.mark.parametrize(
    "change", [{"judge": None}, {"content": 5}, {"place": ["a"]}, {"place": None}, {"reply": ["x"]}]
)
def test_a_stored_reply_that_lacks_something_is_told(tmp_path, one_model, change):
    judged(tmp_path, Scripted(lambda request: reply(4, 4, 4)), one_model)
    path = tmp_path / "replies.jsonl"
    records = list(read_records(path))
    records[2] |= change
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(SuiteError, match="reply 3 has no valid judge, content, place or text"):
        replay_of(path, ITEMS, ["mine"], "edit")


@pytest.mark.parametrize(
    ("value", "models", "message"),
    [
        ([], ["a"], "must be a replies.jsonl file or a JSON object"),
        ({"0": "x"}, ["a", "b"], "the replies about one model, but 2 models are scored"),
        ({"x": "y"}, ["a"], "none of its 1 replies belongs to a sample"),
    ],
)
def test_files_that_hold_no_replies_to_this_suite_are_refused(tmp_path, value, models, message):
    path = toy_bench.write_json(tmp_path / "result.json", value)
    with pytest.raises(SuiteError, match=message):
        replay_of(path, ITEMS, models, "edit")


def test_a_change_of_one_word_changes_the_digest_of_a_protocol():
    changed = rededit({"add": PROMPTS["add"].replace("Judge", "Weigh")})
    assert protocol_digest(rededit(PROMPTS), ITEMS) == protocol_digest(rededit(PROMPTS), ITEMS)
    assert protocol_digest(rededit(PROMPTS), ITEMS) != protocol_digest(changed, ITEMS)
