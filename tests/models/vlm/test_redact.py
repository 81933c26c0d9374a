"""Keys are removed from what services say, in whatever form they repeat them."""

import json

import pytest

from models.vlm.redact import HIDDEN, redact, redact_json

KEY = 'top/secret"key-1'


@pytest.mark.parametrize(
    "text",
    [
        f"You sent {KEY}.", f"'{KEY}\\n'", json.dumps({"error": KEY}), "https://x/?q=top%2Fsecret%22key-1&a=1",
        json.dumps({"headers": {"Authorization": f"Bearer {KEY}"}}), f"{KEY}{KEY}",
    ],
)  # fmt: skip
def test_a_key_that_was_sent_is_removed_however_it_is_quoted(text):
    clean = redact(text, [f"{KEY}\n"])
    assert "secret" not in clean
    assert HIDDEN in clean


@pytest.mark.parametrize(
    "text",
    [
        '{"authorization": "Bearer abcdefgh.ijk"}', "Authorization: Basic YWJjZGVmZ2g=",
        "authorization=abcdefgh",
        "x-goog-api-key: abcdefgh", '"api_key":"abcdefgh"', "GET https://host/v1?key=abcdefgh&alt=json",
        "https://me:abcdefgh@host/v1", "https://bucket/x.png?X-Amz-Signature=abcdefgh",
        "Incorrect key sk-proj-abcdefghijklmnopqrstuvw", "AIzaabcdefghijklmnopqrstuvwxyz0123456789",
        "a token is 'Bearer abcdefgh1jk'",
    ],
)  # fmt: skip
def test_what_looks_like_a_key_is_removed_although_nobody_sent_it(text):
    assert "abcdefgh" not in redact(text)
    assert "YWJj" not in redact(text)


@pytest.mark.parametrize("text", ["Compliance: 5", "The ring bearer carrying roses", "key: C major", "1 + 1"])
def test_replies_stay_as_they_are_also_where_the_key_is_no_secret(text):
    assert redact(text, ["", "5", "1", "EMPTY"]) == text


def test_a_key_behind_escapes_of_json_is_removed_and_the_response_stays_json():
    escaped = "".join(f"\\u{ord(char):04x}" for char in "SECRET")
    clean = redact_json(f'{{"error": "{escaped}", "score": 5}}', ["SECRET"])
    assert json.loads(clean) == {"error": HIDDEN, "score": 5}
    assert redact_json('{"score":  5}', ["SECRET"]) == '{"score":  5}'
