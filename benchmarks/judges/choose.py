"""The judge that `--judge` names. API keys come from the environment and are stored nowhere."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.judges.judge import Judge
from benchmarks.judges.replay import replay_of
from benchmarks.protocols.alignment import alignment
from benchmarks.protocols.protocol import Protocol
from benchmarks.suites.item import SuiteError
from benchmarks.suites.suite import Suite
from models.vlm.hosted import gemini_client, openai_client
from models.vlm.http import Retries

OPENAI_URL = "https://api.openai.com/v1"
GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta"
KINDS = "openai:MODEL, gemini:MODEL, vlm:FOLDER, evaluator:FOLDER or replay:FILE"


def chosen_judge(
    spec: str, suite: Suite, *, url: str | None, models: Sequence[str], retries: Retries
) -> tuple[Suite, Judge]:
    """Returns the suite with the protocol that a judge follows, and the judge.

    Args:
        spec: `openai:MODEL`, `gemini:MODEL`, `vlm:FOLDER`, `evaluator:FOLDER` or `replay:FILE`.
        suite: to be judged. Our evaluator replaces its protocol by one of its own.
        url: base address of a hosted judge; None for OpenAI's or Google's.
        models: names of the models that are scored.
        retries: limits of repeated requests to a hosted judge.

    Raises:
        SuiteError: there is no such judge, or a file or key that it needs is missing.
        RepliesError: a line of the replayed file is not a reply.
    """
    kind, _, name = spec.partition(":")
    if not name or kind not in ("openai", "gemini", "vlm", "evaluator", "replay"):
        raise SuiteError(f"{spec!r} is not a judge. Expected {KINDS}.")
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
        raise SuiteError(f"{folder}: the evaluator cannot be loaded: {error}") from error


def _vlm(folder: Path, protocol: Protocol) -> Judge:
    from models.vlm.local import LocalClient

    try:
        return LocalClient(folder, protocol.parameters)
    except (OSError, ValueError) as error:
        raise SuiteError(f"{folder}: the judge cannot be loaded: {error}") from error


def _hosted(kind: str, name: str, protocol: Protocol, *, url: str | None, retries: Retries) -> Judge:
    variable = f"{kind.upper()}_API_KEY"
    key = os.environ.get(variable) or None  # set to nothing is not set
    if key is None and url is None:
        raise SuiteError(
            f"{variable} is not set. Set it, or give the address of your own server with --judge-url."
        )
    make = openai_client if kind == "openai" else gemini_client
    address = url or (OPENAI_URL if kind == "openai" else GEMINI_URL)
    try:
        return make(name, url=address, key=key, parameters=protocol.parameters, retries=retries)
    except ValueError as error:
        raise SuiteError(str(error)) from error


def _first_question(suite: Suite) -> str:
    """Returns the name of the only question of a suite that has official result files."""
    assert suite.protocol is not None
    return suite.protocol.questions(suite.items[0])[0].name


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise SuiteError(f"The folder {name} does not exist.")
    return Path(name)


def _file(name: str) -> Path:
    if not Path(name).is_file():
        raise SuiteError(f"The file {name} does not exist.")
    return Path(name)
