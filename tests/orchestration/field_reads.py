"""Runs `emberline demo` and records which fields of the profile each step reads while it runs.

    python tests/orchestration/field_reads.py PROFILE HOME OUT

OUT gets JSON: the dotted fields by asset. A dump of a section reads all of its fields.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import assets.lake.materialize as materialize
import orchestration.resources as resources
from orchestration.cli import main
from orchestration.profile import Profile

PATHS: dict[int, str] = {}
"""The dotted path of each section of the running profile by the id of the object."""

KEPT: list[Any] = []
"""The sections themselves, so that no id is used twice."""

READS: defaultdict[str, set[str]] = defaultdict(set)
STEP: list[str] = []


def sections(value: Any, path: str) -> Iterator[tuple[str, BaseModel]]:
    if isinstance(value, BaseModel):
        yield path, value
        for name in type(value).model_fields:
            yield from sections(value.__dict__[name], f"{path}.{name}" if path else name)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from sections(inner, f"{path}.{name}")
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from sections(inner, f"{path}.{index}")


def note(section: BaseModel, name: str) -> None:
    path = PATHS.get(id(section))
    if STEP and path is not None and name in type(section).model_fields:
        READS[STEP[-1]].add(f"{path}.{name}" if path else name)


def recording_attribute(section: BaseModel, name: str) -> Any:
    if not name.startswith("_") and STEP:
        note(section, name)
    return object.__getattribute__(section, name)


def recording_dump(method: Callable[..., Any]) -> Callable[..., Any]:
    def dump(section: BaseModel, *arguments: Any, **options: Any) -> Any:
        for _, inner in sections(section, ""):
            for name in type(inner).model_fields:
                note(inner, name)
        return method(section, *arguments, **options)

    return dump


def recording_run_step(run_step: Callable[..., Any]) -> Callable[..., Any]:
    def run(lake: Any, step: Any, build: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        def recorded() -> Any:
            STEP.append(step.name.partition("/")[0])
            try:
                return build()
            finally:
                STEP.pop()

        return run_step(lake, step, recorded, *arguments, **options)

    return run


def recording_resources(build: Callable[..., Any]) -> Callable[..., Any]:
    def made(profile: Profile, *arguments: Any) -> Any:
        for path, section in sections(profile, ""):
            PATHS[id(section)] = path
            KEPT.append(section)
        return build(profile, *arguments)

    return made


if __name__ == "__main__":
    profile, home, out = sys.argv[1:]
    BaseModel.__getattribute__ = recording_attribute  # pyright: ignore[reportAttributeAccessIssue]
    for method in ("model_dump", "model_dump_json", "model_copy"):
        setattr(BaseModel, method, recording_dump(getattr(BaseModel, method)))
    materialize.run_step = recording_run_step(materialize.run_step)
    resources.build_resources = recording_resources(resources.build_resources)
    for module in list(sys.modules.values()):
        if getattr(module, "build_resources", None) is not None and module is not resources:
            module.build_resources = resources.build_resources  # pyright: ignore[reportAttributeAccessIssue]
    try:
        main(["demo", "--profile", profile, "--home", home], standalone_mode=False)
    finally:
        Path(out).write_text(json.dumps({step: sorted(fields) for step, fields in sorted(READS.items())}))
