"""REDEdit-Bench and ImgEdit: three scores from 1 to 5 for an edit, each on its own line of the reply."""

from collections.abc import Mapping

from benchmarks.parsing.lines import HIGHEST, LOWEST, labels_of_prompt, read_official_lines, read_strict_lines
from benchmarks.parsing.reading import Reading
from benchmarks.protocols.protocol import Metric, Protocol, Reader, View
from benchmarks.scoring.aggregate import RULES, AveragingRule
from benchmarks.suites.item import BenchItem, SuiteError
from models.vlm.messages import Question, Say, Show, Transport

PLACEHOLDER = "<edit_prompt>"
QUESTION = "edit"

PNG = Transport("png")
FILE = Transport("file")

ORIGINAL, EDITED = "这是原图A", "这是编辑后的图B。请进行评估。"
"""What REDEdit-Bench says beside the images, in English runs too."""


def rededit(prompts: Mapping[str, str]) -> Protocol:
    """Returns REDEdit-Bench's protocol; its judge was Gemini 3 Flash.

    Source: FireRed-Image-Edit, rededit_bench/redbench_eval.py; report 4.2.

    Args:
        prompts: task to prompt, from the benchmark's prompts.json.
    """

    def question(item: BenchItem) -> tuple[Question, ...]:
        prompt = prompts[item.kind]
        words = Say(prompt.replace(PLACEHOLDER, item.instruction))
        shown = (Show("source", PNG), Say(ORIGINAL), Show("output", PNG), Say(EDITED))
        return (Question(QUESTION, (*shown, words), labels_of_prompt(prompt)),)

    return Protocol(
        name="REDEdit-Bench, official prompts",
        official=True,
        questions=question,
        read={**READERS, "official": _read_rededit},
        combine=_combine,
        metrics=(metric(RULES["rededit"]),),
        parameters={"temperature": 0.1, "top_p": 0.95, "max_tokens": 8192},
    )


def imgedit(prompts: Mapping[str, str]) -> Protocol:
    """Returns ImgEdit-Bench's protocol for single edits; its judge was GPT-4o or GPT-4.1.

    Source: PKU-YuanGroup/ImgEdit, Benchmark/Basic/basic_bench.py.

    Args:
        prompts: edit type to prompt, from the benchmark's prompts.json.
    """

    def question(item: BenchItem) -> tuple[Question, ...]:
        prompt = prompts[item.kind]
        words = Say(prompt.replace(PLACEHOLDER, item.instruction))
        parts = (words, Show("source", FILE), Show("output", FILE))
        return (Question(QUESTION, parts, labels_of_prompt(prompt)),)

    return Protocol(
        name="ImgEdit-Bench, official prompts",
        official=True,
        questions=question,
        read=READERS,
        combine=_combine,
        metrics=(metric(RULES["imgedit"]),),
    )


def metric(rule: AveragingRule) -> Metric:
    """Returns the only measure of these benchmarks."""
    return Metric("score", "Score, 1 to 5", worst=LOWEST, best=HIGHEST, official=rule)


def _combine(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:  # noqa: ARG001
    """Returns the reading of the only question as the only measure."""
    return {"score": readings[QUESTION]}


def checked_prompts(prompts: Mapping[str, str], kinds: set[str], where: str) -> Mapping[str, str]:
    """Returns the prompts, each of which has a place for the instruction and names its scores.

    Raises:
        SuiteError: a task has no usable prompt.
    """
    for kind in sorted(kinds):
        prompt = prompts.get(kind)
        if not isinstance(prompt, str):
            raise SuiteError(f"{where} has no prompt for the task {kind!r}. It names {', '.join(prompts)}.")
        if PLACEHOLDER not in prompt or not labels_of_prompt(prompt):
            raise SuiteError(
                f"{where}: the prompt of {kind!r} needs {PLACEHOLDER} and an example of a reply with lines "
                "such as 'Prompt Compliance: A number from 1 to 5.' Take the file of the benchmark as it is."
            )
    return prompts


def _read_rededit(question: Question, reply: str, attempt: int) -> Reading:  # noqa: ARG001
    return read_official_lines(reply, str.strip)


READERS: Mapping[View, Reader] = {
    "official": lambda question, reply, attempt: read_official_lines(reply),  # noqa: ARG005
    "strict": lambda question, reply, attempt: read_strict_lines(reply, question.labels),  # noqa: ARG005
}
