"""Removes keys from what a service said before anything of it is stored or shown."""

import json
import re
from collections.abc import Sequence
from urllib.parse import quote

HIDDEN = "[redacted]"

LEAST_SECRET = 6
"""Characters of a key; servers without keys get one such as EMPTY or 1, and replies contain such words."""

KEY_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<before>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic)\s+)?)(?!bearer|basic)[^\s\"',;}\]]+",
        r"(?P<before>\bbearer\s+)(?=[\w.~+/=-]*\d|[\w.~+/=-]{20})[\w.~+/=-]{8,}",
        r"(?P<before>\b(?:x-goog-api-key|x-api-key|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}\]]+",
        r"(?P<before>[?&](?:key|token|access_token|sig|signature|x-amz-signature)=)[^\s\"'&#<>]+",
        r"(?P<before>://)[^\s/:@\"']*:[^\s/@\"']+(?=@)",
        r"(?P<before>)\b(?:sk|hf|ghp|pat|xai|gsk)[-_][\w-]{20,}",
        r"(?P<before>)\bAIza[\w-]{30,}",
    )
)
"""Where keys stand that we did not send: headers, parameters of addresses, forms of well-known keys."""


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """Returns a text without keys: those given, however they are quoted, and whatever else looks like one.

    Args:
        text: such as a response or an error message; never a file, whose letters may look like a key.
        secrets: the keys that were sent.
    """
    for secret in secrets:
        bare = secret.strip()
        for form in (bare, json.dumps(bare)[1:-1], quote(bare, safe="")):
            if len(bare) >= LEAST_SECRET:
                text = text.replace(form, HIDDEN)
    for pattern in KEY_PATTERNS:
        text = pattern.sub(rf"\g<before>{HIDDEN}", text)
    return text


def redact_json(text: str, secrets: Sequence[str] = ()) -> str:
    """Returns a response without keys, also where JSON hides their letters behind escapes."""
    clean = redact(text, secrets)
    try:
        plain = json.dumps(json.loads(clean), ensure_ascii=False)
    except (ValueError, RecursionError):
        return clean
    return clean if redact(plain, secrets) == plain else redact(plain, secrets)
