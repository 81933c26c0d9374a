"""Ids: 128 bits of SHA-256 of the content as 32 hex digits, so equal content has equal ids on any machine."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any


def content_id(data: bytes) -> str:
    """Returns the id of bytes, for example of an image file as it was read."""
    return hashlib.sha256(data).hexdigest()[:32]


def digest(value: Any) -> str:
    """Returns the id of a JSON value. The order of keys does not matter."""
    return content_id(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode())


def record_id(corpus: str, path: str) -> str:
    """Returns the id of one file of a corpus. Two files with equal bytes are two records of one image."""
    return digest([corpus, path])


def sample_id(task: str, source_ids: Sequence[str], target_id: str, edit_key: str) -> str:
    """Returns the id of a training example.

    Args:
        task: `t2i` or `i2i`.
        source_ids: reference images in prompt order.
        target_id: the image to generate.
        edit_key: the original instruction, or the template with its parameters.
    """
    return digest([task, list(source_ids), target_id, edit_key])


def text_id(sample_id: str, kind: str, lang: str, text: str) -> str:
    """Returns the id of one text of a sample."""
    return digest([sample_id, kind, lang, text])
