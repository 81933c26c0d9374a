"""Which judge a word on the command line means; secrets come from the environment and go nowhere else."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.judges.hosted import gemini_judge, openai_judge
from benchmarks.judges.http import Retries
from benchmarks.judges.judge import Judge
from benchmarks.judges.replay import replay_of
from benchmarks.protocols.alignment import alignment
from benchmarks.protocols.protocol import Protocol
from benchmarks.suites.item import SuiteError
from benchmarks.suites.suite import Suite

OPENAI_URL = "https://api.openai.com/v1"
GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta"
KINDS = "openai:MODEL, gemini:MODEL, vlm:FOLDER, evaluator:FOLDER or replay:FILE"


def chosen_judge(
    spec: str, suite: Suite, *, url: str | None, models: Sequence[str], retries: Retries
) -> tuple[Suite, Judge]:
    """Returns the judge of a specification, and the suite with the protocol that this judge follows.

    Args:
        spec: `openai:MODEL`, `gemini:MODEL`, `vlm:FOLDER`, `evaluator:FOLDER` or `replay:FILE`.
        suite: what is judged. Our evaluator has a protocol of its own.
        url: base address of a hosted judge; None: OpenAI's or Google's.
        models: that are scored.
        retries: patience with a hosted judge.

    Raises:
        SuiteError: there is no such judge, or what it needs is missing; the message says what.
    """
    kind, _, name = spec.partition(":")
    if not name or kind not in ("openai", "gemini", "vlm", "evaluator", "replay"):
        raise SuiteError(f"{spec!r} is no judge. Expected {KINDS}.")
    if kind == "evaluator":
        return replace(suite, protocol=alignment(), published=None), _evaluator(_folder(name))
    if suite.protocol is None:
        raise SuiteError(f"{suite.name} has no questions for a judge.")
    if kind == "replay":
        return suite, replay_of(_file(name), suite.items, models, _first_question(suite))
    if kind == "vlm":
        return suite, _vlm(_folder(name), suite.protocol)
    return suite, _hosted(kind, name, suite.protocol, url=url, retries=retries)


def _evaluator(folder: Path) -> Judge:
    from benchmarks.judges.evaluator import EvaluatorJudge

    try:
        return EvaluatorJudge(folder, None)
    except (OSError, ValueError, LookupError) as error:
        raise SuiteError(f"{folder} is no evaluator that loads: {error}") from error


def _vlm(folder: Path, protocol: Protocol) -> Judge:
    from benchmarks.judges.vlm import VlmJudge

    try:
        return VlmJudge(folder, protocol.parameters)
    except (OSError, ValueError) as error:
        raise SuiteError(f"{folder} is no judge that loads: {error}") from error


def _hosted(kind: str, name: str, protocol: Protocol, *, url: str | None, retries: Retries) -> Judge:
    variable = f"{kind.upper()}_API_KEY"
    key = os.environ.get(variable)
    if key is None and url is None:
        raise SuiteError(
            f"The environment has no {variable}. Set it, or name a server of your own by --judge-url."
        )
    make = openai_judge if kind == "openai" else gemini_judge
    address = url or (OPENAI_URL if kind == "openai" else GEMINI_URL)
    try:
        return make(name, url=address, key=key, parameters=protocol.parameters, retries=retries)
    except ValueError as error:
        raise SuiteError(str(error)) from error


def _first_question(suite: Suite) -> str:
    """Returns the question that an official result file answers: the suites that have such files ask one."""
    assert suite.protocol is not None
    return suite.protocol.questions(suite.items[0])[0].name


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise SuiteError(f"There is no folder {name}.")
    return Path(name)


def _file(name: str) -> Path:
    if not Path(name).is_file():
        raise SuiteError(f"There is no file {name}.")
    return Path(name)
