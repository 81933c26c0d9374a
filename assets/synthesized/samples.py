"""Table rows of a pair: its sample, the inversion if there is one, and the texts of both."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from assets.lake.ids import sample_id, text_id
from assets.synthesized.instructions import PROMPT_VERSION, write_instructions
from assets.synthesized.requests import EditRequest
from assets.synthesized.templates.catalogue import TEMPLATES, inverse_name
from models.common.seeding import derived_seed

Row = Mapping[str, Any]


class Pair(NamedTuple):
    """A synthesized pair: the request, the ids of its stored images, and the parameters."""

    request: EditRequest
    source_ids: tuple[str, ...]
    target_id: str
    parameters: Mapping[str, str]


def sample_rows(pair: Pair, seed: int) -> Iterator[Row]:
    """Yields the sample of a pair and, if its template is invertible, the swapped sample (task inversion)."""
    request, template = pair.request, TEMPLATES[pair.request.template]
    forward = _sample(request, pair.source_ids, pair.target_id, template.name, pair.parameters)
    kind = {"category": template.kind.category, "subcategory": template.kind.subcategory}
    yield forward | kind | {"origin": _origin(template.name, pair.parameters, seed, [])}
    if template.inverse is None:
        return
    name = inverse_name(template.name)
    swapped = _sample(request, (pair.target_id,), pair.source_ids[0], name, pair.parameters)
    kind = {"category": template.inverse.category, "subcategory": template.inverse.subcategory}
    yield swapped | kind | {"origin": _origin(name, pair.parameters, seed, [forward["sample_id"]])}


def _sample(
    request: EditRequest, sources: Sequence[str], target: str, name: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "sample_id": sample_id("i2i", sources, target, f"{name} {_json(parameters)}"),
        "group_id": request.group_id,
        "split": request.split,
        "task": "i2i",
        "source_ids": list(sources),
        "target_id": target,
        "license": request.license,
    }


def _origin(name: str, parameters: Mapping[str, str], seed: int, parents: list[str]) -> Row:
    return {
        "engine": "template",
        "template": name,
        "parameters": _json(parameters),
        "seed": seed,
        "parents": parents,
    }


def text_rows(sample: Row, seed: int) -> Iterator[Row]:
    """Yields the texts of a sample; a concise text refines the detailed one, a user-like text the concise."""
    name = sample["origin"]["template"]
    template = name.partition(":")[0]
    text_seed = derived_seed(seed, "texts", sample["sample_id"])
    parents: dict[str, str] = {}
    instructions = write_instructions(
        template, json.loads(sample["origin"]["parameters"]), inverse=name != template, seed=text_seed
    )
    for kind, lang, text in instructions:
        identifier = text_id(sample["sample_id"], kind, lang, text)
        yield {
            "text_id": identifier,
            "sample_id": sample["sample_id"],
            "kind": kind,
            "lang": lang,
            "text": text,
            "model": "template",
            "prompt_version": PROMPT_VERSION,
            "seed": text_seed,
            "parent_text_id": parents.get(lang) if kind != "detailed" else None,
        }
        parents[lang] = identifier


def _json(parameters: Mapping[str, str]) -> str:
    return json.dumps(dict(parameters), sort_keys=True, ensure_ascii=False)
