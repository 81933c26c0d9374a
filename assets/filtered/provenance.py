"""Generated images by what their files say of themselves (report 2.2.5); reads metadata, not pixels."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from PIL import Image

from assets.engine.measure import Measure, each
from models.pixels import FORMATS

GENERATED_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
CAPTURED_TYPES = ("digitalCapture", "negativeFilm", "positiveFilm", "print", "computationalCapture")
"""IPTC digital source types; other types, such as humanEdits, say nothing of how the picture began."""

SOURCE_TYPE = re.compile(
    r"digitalsourcetype[/#]?(?:\w*:)?[\"'>=\s]*(?:https?://[^\"'<\s]*/)?(\w+)", re.IGNORECASE
)

PROMPT_FIELDS = (
    "parameters",
    "prompt",
    "workflow",
    "sd-metadata",
    "invokeai_metadata",
    "dream",
    "generation_data",
)
"""Text fields in which Stable Diffusion's front ends keep prompt and settings."""

GENERATORS = re.compile(
    r"stable.?diffusion|midjourney|dall.?e|novelai|comfyui|invokeai|automatic1111|fooocus|adobe firefly|"
    r"\bflux\.?1|imagen|ideogram|leonardo\.ai|gpt-image|nano.?banana|made with google ai|seedream|qwen-image",
    re.IGNORECASE,
)

SOFTWARE_TAGS = {"Software": 305, "Artist": 315, "ImageDescription": 270, "Make": 271, "Model": 272}
MAX_EVIDENCE = 200
XMP = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)


def measure_provenance(data: bytes) -> Mapping[str, Any]:
    """Returns whether the bytes of an image file say that it was generated.

    - `generated`: true or false by what the file says; null where it says nothing.
    - `evidence`: where it says so, and what.

    Statements count in this order: content credentials (C2PA), the IPTC digital source type in XMP, text
    fields of generators' front ends, and the software that EXIF names. A file without any may be generated
    all the same, since most ways of passing pictures on strip them.
    """
    for statement in _statements(data):
        generated, evidence = statement
        return {"generated": generated, "evidence": evidence[:MAX_EVIDENCE]}
    return {"generated": None, "evidence": None}


def _statements(data: bytes) -> Iterator[tuple[bool, str]]:
    yield from _content_credentials(data)
    for packet in XMP.findall(data):
        yield from _source_type("XMP", packet.decode("utf-8", "replace"))
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            fields = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
            exif = image.getexif()
            tags = {name: str(exif.get(tag, "")) for name, tag in SOFTWARE_TAGS.items()}
    except Exception:  # noqa: BLE001 a broken header says nothing; the pixels' measures give the reason
        return
    yield from _prompts(fields)
    for name, text in [*fields.items(), *tags.items()]:
        found = GENERATORS.search(text)
        if found:
            yield True, f"{name}: {found.group()}"


def _content_credentials(data: bytes) -> Iterator[tuple[bool, str]]:
    """Yields what the manifests of a C2PA store say, the newest first; their signers' trust is not judged."""
    if b"c2pa" not in data:
        return
    import c2pa

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            mime_type = Image.MIME[str(image.format)]
        with c2pa.Reader(mime_type, io.BytesIO(data)) as reader:
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
        found = [kind for kind in types if kind.lower() in [known.lower() for known in kinds]]
        if found:
            yield generated, f"{where} digitalSourceType: {found[0]}"


def _prompts(fields: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    for name in PROMPT_FIELDS:
        if fields.get(name, "").strip():
            yield True, f"text field {name}: {fields[name].strip()}"


PROVENANCE = Measure(
    name="provenance",
    version="1",
    long_side=None,
    columns={"generated": pl.Boolean(), "evidence": pl.String()},
    run=each(measure_provenance),
)
