"""The measure of provenance: whether the metadata of a file marks it as generated (report 2.2.5)."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from PIL import Image

from assets.engine.measure import ImageMeasure, one_by_one
from models.common.canonical import FORMATS

GENERATED_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
CAPTURED_TYPES = ("digitalCapture", "negativeFilm", "positiveFilm", "print", "computationalCapture")
"""IPTC digital source types; other types, such as humanEdits, do not tell how the image was created."""

SOURCE_TYPE = re.compile(
    r"digitalsourcetype[/#]?(?:\w{0,40}:)?[\"'>=\s]{0,20}(?:https?://[^\"'<\s]{0,200}/)?(\w{1,60})",
    re.IGNORECASE,
)
"""All repetitions are bounded, so that a malicious packet is searched in linear time."""

PROMPT_FIELDS = {
    "parameters": re.compile(r"\bsteps: ?\d+", re.IGNORECASE),
    "prompt": re.compile(r"\{"),
    "workflow": re.compile(r"\{"),
    "sd-metadata": re.compile(r"\{"),
    "invokeai_metadata": re.compile(r"\{"),
    "generation_data": re.compile(r"\{"),
    "dream": re.compile(r"\S"),
    "usercomment": re.compile(r"\bsteps: ?\d+.{0,200}\bsampler:", re.IGNORECASE | re.DOTALL),
}
"""Text fields in which front ends of Stable Diffusion store prompt and settings, and patterns of their
values."""

GENERATORS = re.compile(
    r"\b(?:stable.?diffusion|midjourney|dall[·-]e|dalle ?[23]|novelai|comfyui|invokeai|automatic1111|fooocus|"
    r"adobe firefly|flux\.?1|imagen ?[2-4]|ideogram\.ai|leonardo\.ai|gpt-image|nano.?banana|"
    r"made with google ai|seedream|qwen-image)\b",
    re.IGNORECASE,
)

SOFTWARE_TAGS = {"Software": 305, "Artist": 315, "ImageDescription": 270, "Make": 271, "Model": 272}
EXIF_FOLDER, USER_COMMENT = 0x8769, 0x9286
MAX_EVIDENCE = 200
XMP_START, XMP_END = b"<x:xmpmeta", b"</x:xmpmeta>"
MAX_XMP = 1 << 20
"""Largest number of bytes read from a packet."""

OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
"""A file can name a URL for its credentials; measuring must not make network requests."""


def measure_provenance(data: bytes) -> Mapping[str, Any]:
    """Returns whether the metadata of an image file states that it was generated.

    - `generated`: true or false by the first statement; null if there is none.
    - `evidence`: the source and text of the statement.

    Statements are searched in this order: content credentials (C2PA), the IPTC digital source type in XMP,
    text fields of generator front ends, and the software named in EXIF. A file without a statement may be
    generated nevertheless, because most platforms strip metadata.
    """
    for statement in _statements(data):
        generated, evidence = statement
        return {"generated": generated, "evidence": evidence[:MAX_EVIDENCE]}
    return {"generated": None, "evidence": None}


def _statements(data: bytes) -> Iterator[tuple[bool, str]]:
    yield from _content_credentials(data)
    for packet in _xmp_packets(data):
        yield from _source_type("XMP", packet.decode("utf-8", "replace"))
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            fields = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
            exif = image.getexif()
            tags = {name: str(exif.get(tag, "")) for name, tag in SOFTWARE_TAGS.items()}
            fields["UserComment"] = _exif_comment(exif.get_ifd(EXIF_FOLDER).get(USER_COMMENT))
    except Exception:  # noqa: BLE001 a broken header is no statement; other measures report the reason
        return
    yield from _prompts(fields)
    for name, text in [*fields.items(), *tags.items()]:
        match = GENERATORS.search(text)
        if match:
            yield True, f"{name}: {match.group()}"


def _xmp_packets(data: bytes) -> Iterator[bytes]:
    end = 0
    while (start := data.find(XMP_START, end)) >= 0:
        end = data.find(XMP_END, start)
        if end < 0:
            return
        yield data[start : min(end, start + MAX_XMP)]


def _content_credentials(data: bytes) -> Iterator[tuple[bool, str]]:
    """Yields the statements of an embedded C2PA store, newest manifest first; signatures are not verified."""
    if b"c2pa" not in data:
        return
    import c2pa

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            mime_type = Image.MIME[str(image.format)]
        with (
            c2pa.Context.from_dict(OFFLINE) as context,
            c2pa.Reader(mime_type, io.BytesIO(data), context=context) as reader,
        ):
            store = json.loads(reader.json())
    except Exception:  # noqa: BLE001 a store that does not parse is no statement
        return
    manifests = store.get("manifests", {})
    active = store.get("active_manifest")
    for name in sorted(manifests, key=lambda name: (name != active, name)):
        yield from _source_type("C2PA", json.dumps(manifests[name]))


def _source_type(where: str, text: str) -> Iterator[tuple[bool, str]]:
    types = SOURCE_TYPE.findall(text)
    for kinds, generated in ((GENERATED_TYPES, True), (CAPTURED_TYPES, False)):
        matches = [kind for kind in types if kind.lower() in [known.lower() for known in kinds]]
        if matches:
            yield generated, f"{where} digitalSourceType: {matches[0]}"


def _prompts(fields: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    for name, text in fields.items():
        pattern = PROMPT_FIELDS.get(name.lower())
        if pattern is not None and pattern.search(text):
            yield True, f"text field {name}: {text.strip()}"


def _exif_comment(value: object) -> str:
    """Returns the text of an EXIF comment, whose first eight bytes give its encoding."""
    if not isinstance(value, bytes):
        return ""
    if value.startswith(b"UNICODE"):
        # The standard leaves the byte order open; Latin characters have a zero byte, which gives it away.
        return value[8:].decode("utf-16-be" if value[8:9] == b"\0" else "utf-16-le", "replace")
    return value[8:].decode("utf-8", "replace")


PROVENANCE = ImageMeasure(
    name="provenance",
    version="2",
    long_side=None,
    columns={"generated": pl.Boolean(), "evidence": pl.String()},
    run=one_by_one(measure_provenance),
)
