"""The measure of provenance: whether the metadata of a file marks it as generated (report 2.2.5)."""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
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

GRAPH_FIELDS = ("prompt", "workflow", "sd-metadata", "invokeai_metadata", "generation_data", "comment")
"""Text fields in which front ends store JSON: a graph of nodes, or the settings of a sampler."""

GRAPH_KEYS = (
    "class_type",
    "nodes",
    "sampler",
    "sampler_name",
    "steps",
    "cfg_scale",
    "seed",
    "model",
    "model_name",
)

COMMAND = re.compile(r"\s-{1,2}[sSWHCA]\s?\d")
"""Options of the first command-line front ends, which stand in the field `dream`: `"a cat" -s50 -W512`."""

SETTING = re.compile(r"(?:^|,)\s{0,4}([A-Za-z][A-Za-z ]{1,30}):\s{0,4}([^,\n]{1,200})", re.MULTILINE)
SETTINGS = (
    "steps",
    "sampler",
    "cfg scale",
    "seed",
    "size",
    "model",
    "model hash",
    "clip skip",
    "schedule type",
)
"""Keys of the line of settings that front ends of Stable Diffusion write after the prompt."""

JOB = re.compile(
    r"--(?:v|ar|niji|q|s|style|stylize|chaos|seed|tile)\b.{0,400}\bJob ID:|\bJob ID: [0-9a-f]{8}-", re.DOTALL
)
"""How a description by Midjourney ends."""

GENERATORS = re.compile(
    r"\b(?:stable.?diffusion|midjourney|dall[·-]e|dalle ?[23]|novelai|comfyui|invokeai|automatic1111|fooocus|"
    r"adobe firefly|flux\.?1|imagen ?[2-4]|ideogram\.ai|leonardo\.ai|gpt-image|nano.?banana|"
    r"made with google ai|seedream|qwen-image)\b",
    re.IGNORECASE,
)

TEXT_TAGS = {"Software": 305, "Artist": 315, "ImageDescription": 270, "Make": 271, "Model": 272}
EXIF_FOLDER, USER_COMMENT = 0x8769, 0x9286
NAMING_FIELDS = ("software", "source", "creatortool", "credit", "make", "model", "artist")
"""Fields that name the tool that made a file. Anywhere else, the name of a generator is a mention."""

XMP_FIELD = re.compile(
    r"\b(?:xmp|photoshop):(CreatorTool|Credit|Source)(?:\s{0,9}=\s{0,9}[\"']|>)\s{0,20}([^\"'<]{1,300})",
    re.IGNORECASE,
)
WINDOWS_TAGS = {"XPTitle": 0x9C9B, "XPComment": 0x9C9C, "XPKeywords": 0x9C9E, "XPSubject": 0x9C9F}
"""Texts in UTF-16 of low byte first."""

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
    the settings that generators write into text fields, and the fields that name the tool that made the file.
    A description that mentions a generator is no statement. A file without one may be generated nevertheless,
    because most platforms strip metadata.
    """
    for statement in _statements(data):
        generated, evidence = statement
        return {"generated": generated, "evidence": evidence[:MAX_EVIDENCE]}
    return {"generated": None, "evidence": None}


def _statements(data: bytes) -> Iterator[tuple[bool, str]]:
    yield from _content_credentials(data)
    packets = [packet.decode("utf-8", "replace") for packet in _xmp_packets(data)]
    for packet in packets:
        yield from _source_type("XMP", packet)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            exif = image.getexif()
            fields = [
                *((str(key), _text(value)) for key, value in image.info.items()),
                *((name, str(exif.get(tag, ""))) for name, tag in TEXT_TAGS.items()),
                *((name, _windows_text(exif.get(tag))) for name, tag in WINDOWS_TAGS.items()),
                ("UserComment", _exif_comment(exif.get_ifd(EXIF_FOLDER).get(USER_COMMENT))),
            ]
    except Exception:  # noqa: BLE001 a broken header is no statement; other measures report the reason
        return
    yield from _prompts(fields)
    named = (field for packet in packets for field in XMP_FIELD.findall(packet))
    for name, text in [*fields, *named]:
        match = GENERATORS.match(text.strip()) if name.lower() in NAMING_FIELDS else None
        if match:
            yield True, f"{name}: {text.strip()}"


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


def _prompts(fields: Sequence[tuple[str, str]]) -> Iterator[tuple[bool, str]]:
    for name, text in fields:
        if (
            (name.lower() in GRAPH_FIELDS and _is_graph(text))
            or (name.lower() == "dream" and COMMAND.search(text))
            or _has_settings(text)
            or JOB.search(text)
        ):
            yield True, f"text field {name}: {text.strip()}"


def _is_graph(text: str) -> bool:
    """Returns whether a text is the JSON in which a front end stores what it did."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    inner = [one for one in value.values() if isinstance(one, dict)]
    return any(key in one for one in (value, *inner) for key in GRAPH_KEYS)


def _has_settings(text: str) -> bool:
    """Returns whether a text has a line of settings: a number of steps and at least one more of SETTINGS."""
    found = {key.strip().lower(): value.strip() for key, value in SETTING.findall(text[:MAX_XMP])}
    return found.get("steps", "").isdigit() and sum(key in found for key in SETTINGS) >= 2


def _text(value: object) -> str:
    return (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else value
        if isinstance(value, str)
        else ""
    )


def _windows_text(value: object) -> str:
    data = bytes(value) if isinstance(value, (bytes, tuple)) else b""
    return data.decode("utf-16-le", "replace").rstrip("\0")


def _exif_comment(value: object) -> str:
    """Returns the text of an EXIF comment, whose first eight bytes give its encoding, but not its byte order.

    Writers disagree on the order, and some write UTF-8 behind any prefix. Of all readings, the one with most
    ASCII characters is taken: names and numbers of settings are ASCII in every language.
    """
    if not isinstance(value, bytes):
        return ""
    body = value[8:] if value[:8].rstrip(b"\0 ") in (b"UNICODE", b"ASCII", b"JIS", b"") else value
    readings = [
        body.decode(encoding, "replace") for encoding in ("utf-8", "utf-16-be", "utf-16-le", "utf-16")
    ]
    return max(readings, key=_ascii_share).strip("\0\ufeff")


def _ascii_share(text: str) -> float:
    printable = sum(
        character.isascii() and (character.isprintable() or character in "\n\r\t") for character in text
    )
    return printable / max(len(text), 1)


PROVENANCE = ImageMeasure(
    name="provenance",
    version="3",
    long_side=None,
    columns={"generated": pl.Boolean(), "evidence": pl.String()},
    run=one_by_one(measure_provenance),
)
