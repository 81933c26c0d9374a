"""Judges that speak as OpenAI and as Gemini: what they send field by field, and what they make of answers."""

import base64
import io
import json

import pytest
from loopback import as_json, chat, loopback
from PIL import Image
from toy_bench import GEDIT_PARTS
from toy_request import OUTPUT, PROMPTS, SOURCE, request
from toy_suite import picture

from benchmarks.protocols.five_points import imgedit, rededit
from benchmarks.protocols.gedit import gedit
from benchmarks.protocols.textedit import textedit
from models.vlm.client import ClientUnavailableError, ReplyState
from models.vlm.hosted import gemini_client, openai_client
from models.vlm.http import Retries

FAST = Retries(tries=3, first_wait=0.001, longest_wait=0.01, timeout=20)


def openai(url, protocol):
    address = f"{url}/v1/"
    return openai_client("gpt-x", url=address, key="SECRET", parameters=protocol.parameters, retries=FAST)


def gemini(url, protocol):
    address = f"{url}/v1beta"
    return gemini_client("gemini/x", url=address, key="SECRET", parameters=protocol.parameters, retries=FAST)


def data_of(part) -> bytes:
    return base64.b64decode(part["image_url"]["url"].partition(";base64,")[2])


def test_imgedit_is_asked_words_first_with_the_files_as_they_are():
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: chat("Prompt Compliance: 5")) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (ReplyState.OK, "Prompt Compliance: 5", 1)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["authorization"] == "Bearer SECRET"
    assert asked.headers["content-type"] == "application/json"
    assert set(asked.json) == {"model", "messages"}  # the official script sets no parameters
    (message,) = asked.json["messages"]
    assert message["role"] == "user"
    words, first, second = message["content"]
    assert words == {"type": "text", "text": PROMPTS["add"].replace("<edit_prompt>", "Edit 1")}
    assert first["image_url"]["url"].startswith("data:image/png;base64,")
    assert second["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert (data_of(first), data_of(second)) == (SOURCE, OUTPUT)


def test_gedit_is_asked_with_jpeg_of_quality_75_at_the_size_of_the_source():
    protocol = gedit(GEDIT_PARTS)
    with loopback(lambda asked, number: chat('{"score": [5, 5]}')) as server:
        judge = openai(server.url, protocol)
        judge.ask(request(protocol, question=0))
        judge.ask(request(protocol, question=1))
    success, quality = (asked.json for asked in server.asked)
    assert (success["model"], success["max_tokens"]) == ("gpt-x", 1400)
    assert "temperature" not in success
    _, source, output = success["messages"][0]["content"]
    for part, pixels in ((source, picture("s", 24, 40)), (output, None)):
        image = Image.open(io.BytesIO(data_of(part)))
        assert (image.format, image.size) == ("JPEG", (40, 24))
        if pixels is not None:
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=75)
            assert data_of(part) == stream.getvalue()
    assert [part["type"] for part in quality["messages"][0]["content"]] == ["text", "image_url"]
    assert data_of(quality["messages"][0]["content"][1]) == data_of(output)


def test_rededit_is_asked_pictures_first_as_png_with_its_parameters():
    protocol = rededit(PROMPTS)
    found = {"candidates": [{"content": {"parts": [{"text": "Prompt "}, {"text": "Compliance: 4"}]}}]}
    with loopback(lambda asked, number: as_json(found)) as server:
        answer = gemini(server.url, protocol).ask(request(protocol))
    assert answer.reply == "Prompt Compliance: 4"
    (asked,) = server.asked
    assert asked.path == "/v1beta/models/gemini%2Fx:generateContent"
    assert asked.headers["x-goog-api-key"] == "SECRET"
    assert asked.json["generationConfig"] == {"temperature": 0.1, "topP": 0.95, "maxOutputTokens": 8192}
    (content,) = asked.json["contents"]
    first, said, second, told, words = content["parts"]
    assert content["role"] == "user"
    assert first["inlineData"]["mimeType"] == second["inlineData"]["mimeType"] == "image/png"
    sizes = [Image.open(io.BytesIO(base64.b64decode(p["inlineData"]["data"]))).size for p in (first, second)]
    assert sizes == [(40, 24), (64, 48)]  # at their original sizes
    assert (said["text"], told["text"]) == ("这是原图A", "这是编辑后的图B。请进行评估。")
    assert words["text"].endswith("It is: Edit 1.\n")
    assert "systemInstruction" not in asked.json


def test_what_comes_before_the_turn_is_sent_as_each_service_wants_it():
    protocol = textedit({name: f"Rules of {name}" for name in ("IF", "TA", "VC", "LP", "SE")})
    found = {"candidates": [{"content": {"parts": [{"text": "{}"}]}}]}
    with loopback(lambda asked, number: chat("{}") if "chat" in asked.path else as_json(found)) as server:
        openai(server.url, protocol).ask(request(protocol))
        gemini(server.url, protocol).ask(request(protocol))
    first, second = (asked.json for asked in server.asked)
    assert first["messages"][0] == {"role": "system", "content": "Rules of IF"}
    assert (first["temperature"], first["max_tokens"]) == (0.0, 500)
    assert second["systemInstruction"] == {"parts": [{"text": "Rules of IF"}]}


def cut(content):
    return chat(content, finish_reason="length")


def test_a_reply_that_was_cut_off_is_asked_for_with_more_room():
    protocol = textedit({name: f"Rules of {name}" for name in ("IF", "TA", "VC", "LP", "SE")})
    with loopback(lambda asked, number: cut("Sc") if number < 2 else chat("Score: 5")) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (ReplyState.OK, "Score: 5", 3)
    rooms = [asked.json["max_tokens"] for asked in server.asked]
    assert rooms == [500, 4096, 16_384]
    assert {**server.asked[0].json, "max_tokens": 0} == {**server.asked[2].json, "max_tokens": 0}


def test_geminis_reply_gets_more_room_too():
    protocol = rededit(PROMPTS)
    empty = {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}
    whole = {"candidates": [{"content": {"parts": [{"text": "5"}]}, "finishReason": "STOP"}]}
    with loopback(lambda asked, number: as_json(whole if number else empty)) as server:
        answer = gemini(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (ReplyState.OK, "5", 2)
    first, second = (asked.json["generationConfig"] for asked in server.asked)
    assert second == {**first, "maxOutputTokens": 16_384}


@pytest.mark.parametrize("content", [None, "", "Prompt Comp"])
def test_room_is_bounded_and_what_is_still_cut_off_has_a_state_of_its_own(content):
    protocol = imgedit(PROMPTS)  # sets no limit of its own
    with loopback(lambda asked, number: cut(content)) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (ReplyState.CUT_OFF, content or "", 2)
    assert [asked.json.get("max_tokens") for asked in server.asked] == [None, 16_384]
    assert "cut off at 16384 tokens" in answer.note


def test_a_service_that_refuses_more_room_leaves_the_reply_cut_off():
    protocol = gedit(GEDIT_PARTS)
    refusal = as_json({"error": {"message": "max_tokens is too large"}}, 400)
    with loopback(lambda asked, number: refusal if number else cut("{")) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (ReplyState.CUT_OFF, "{", 2)
    assert "too large" in answer.note


def test_a_key_that_a_service_repeats_is_in_no_part_of_the_answer():
    protocol = imgedit(PROMPTS)
    echo = "You sent Authorization: Bearer SECRET and SECRET."
    for status in (200, 400, 503):
        said = chat(echo) if status == 200 else as_json({"error": {"message": echo}}, status)
        with loopback(lambda asked, number, said=said: said) as server:
            answer = openai(server.url, protocol).ask(request(protocol))
        assert "SECRET" not in json.dumps(vars(answer))
        assert "[redacted]" in answer.reply + answer.note
    said = as_json({"error": {"message": "x" * 250 + echo}}, 401)
    with loopback(lambda asked, number: said) as server, pytest.raises(ClientUnavailableError) as caught:
        openai(server.url, protocol).ask(request(protocol))
    assert "SEC" not in str(caught.value)


def test_without_a_key_none_is_sent():
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: chat("x")) as server:
        for make, url in ((openai_client, f"{server.url}/v1"), (gemini_client, server.url)):
            make("m", url=url, key=None, parameters={}, retries=FAST).ask(request(protocol))
    assert not {"authorization", "x-goog-api-key"} & set(server.asked[0].headers)
    assert not {"authorization", "x-goog-api-key"} & set(server.asked[1].headers)


@pytest.mark.parametrize(
    ("response", "state", "reply"),
    [
        (chat("Prompt Compliance: 5"), ReplyState.OK, "Prompt Compliance: 5"),
        (
            chat([{"type": "text", "text": "Prompt "}, {"type": "text", "text": "5"}]),
            ReplyState.OK,
            "Prompt 5",
        ),
        (chat(""), ReplyState.OK, ""),
        (chat(None, finish_reason="content_filter"), ReplyState.REFUSED, ""),
        (as_json({"choices": [{"message": {"refusal": "No.", "content": None}}]}), ReplyState.REFUSED, ""),
    ],
)
def test_answers_as_openais_are_read(response, state, reply):
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: response) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (state, reply, 1)
    assert answer.raw == response[2].decode()
    assert bool(answer.note) == (state is ReplyState.REFUSED)


@pytest.mark.parametrize(
    ("answer", "state", "reply"),
    [
        (None, ReplyState.REFUSED, ""),
        ({"finishReason": "PROHIBITED_CONTENT"}, ReplyState.REFUSED, ""),
        ({"content": {"parts": [{"text": "5"}]}, "finishReason": "SAFETY"}, ReplyState.OK, "5"),
        ({"content": {"parts": [{"thought": True, "text": "hm"}, {"text": "5"}]}}, ReplyState.OK, "5"),
        ({"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}, ReplyState.CUT_OFF, ""),
        ({"content": {"parts": [{"text": "5"}]}, "finishReason": "MAX_TOKENS"}, ReplyState.CUT_OFF, "5"),
    ],
)
def test_answers_as_geminis_are_read(answer, state, reply):
    protocol = rededit(PROMPTS)
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}}
    whole = blocked if answer is None else {"candidates": [answer]}
    with loopback(lambda asked, number: as_json(whole)) as server:
        found = gemini(server.url, protocol).ask(request(protocol))
    assert (found.state, found.reply) == (state, reply)


@pytest.mark.parametrize(
    "garbage",
    [
        (200, {}, b"<html>502 Bad Gateway</html>"), as_json({}), as_json({"choices": []}), as_json([]),
        as_json(None), chat(5), (200, {}, b"\xff\xfe"), as_json({"choices": [{"message": {}}]}),
    ],
)  # fmt: skip
def test_garbage_is_asked_for_again_and_never_becomes_a_reply(garbage):
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: garbage if number < 2 else chat("fine")) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (ReplyState.OK, "fine", 3)
    with loopback(lambda asked, number: garbage) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.reply, answer.tries) == (ReplyState.API_FAILED, "", 3)
    assert "no answer" in answer.note
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "trouble",
    [
        as_json({"error": {"message": "Rate limit reached"}}, 429), as_json({}, 500),
        (503, {}, b"upstream"), None, as_json({"error": "overloaded"}, 529),
    ],
)  # fmt: skip
def test_passing_trouble_is_waited_out_within_bounds(trouble):
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: trouble if number < 2 else chat("fine")) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.reply, answer.tries) == ("fine", 3)
    with loopback(lambda asked, number: trouble) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, answer.tries, len(server.asked)) == (ReplyState.API_FAILED, 3, 3)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "content_policy_violation", "message": "rejected"}}),
        (400, {"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "jailbreak"}}),
        (403, {"error": {"message": "Your image was flagged by moderation."}}),
    ],
)
def test_a_question_that_the_service_declines_is_refused_and_not_asked_again(status, body):
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: as_json(body, status)) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, len(server.asked)) == (ReplyState.REFUSED, 1)
    assert f"status {status}" in answer.note


def test_a_bad_question_has_failed_and_is_not_asked_again():
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: as_json({"error": {"message": "image too large"}}, 400)) as server:
        answer = openai(server.url, protocol).ask(request(protocol))
    assert (answer.state, len(server.asked)) == (ReplyState.API_FAILED, 1)
    assert "image too large" in answer.note


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"message": "Incorrect API key"}}), (404, {"error": {"message": "no such model"}}),
        (429, {"error": {"code": "insufficient_quota", "message": "check your billing details"}}),
        (400, {"error": {"status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass one."}}),
        (405, {}),
    ],
)  # fmt: skip
def test_where_nothing_will_ever_be_answered_the_run_stops(status, body):
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: as_json(body, status)) as server:
        with pytest.raises(ClientUnavailableError, match=f"refuses every request. status {status}") as caught:
            openai(server.url, protocol).ask(request(protocol))
        assert len(server.asked) == 1
    assert "SECRET" not in str(caught.value)


def test_a_service_cannot_send_us_elsewhere():
    protocol = imgedit(PROMPTS)
    with loopback(lambda asked, number: chat("stolen")) as other:
        with loopback(lambda asked, number: (307, {"location": other.url}, b"")) as server:
            answer = openai(server.url, protocol).ask(request(protocol))
        assert other.asked == []
    assert answer.state is ReplyState.API_FAILED


def test_a_picture_that_does_not_decode_is_told_and_never_sent():
    protocol = rededit(PROMPTS)
    with loopback(lambda asked, number: as_json({})) as server:
        answer = gemini(server.url, protocol).ask(request(protocol, output=SOURCE[:100]))
        assert server.asked == []
    assert answer.state is ReplyState.API_FAILED
    assert "cannot be sent" in answer.note


def test_secrets_stand_in_headers_only():
    protocol = rededit(PROMPTS)
    for make in (openai, gemini):
        judge = make("http://127.0.0.1:9", protocol)
        assert "SECRET" not in json.dumps(judge.identity)
        assert judge.identity["model"]
        assert judge.identity["temperature"] == 0.1
