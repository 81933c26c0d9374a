"""Mutated replies through every parser: none may crash or hang, and none may make up a score."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.parsing import final_score, kris, lines, viescore
from benchmarks.parsing.reading import Reading, State
from benchmarks.perf.parser_cases import LABELS
from models.common.seeding import numpy_generator

VALID = (
    '{"score": [8, 9], "reasoning": "The car is red, as asked."}',
    '```json\n{\n  "score" : [6, 4],\n  "reasoning" : "Edges are soft: see the left side."\n}\n```',
    '||V^=^V||\n{"score": [10, 0], "reasoning": "Nothing else changed"}\n||V^=^V||',
    "{score: 7, reasoning: good}",
    "[6, 0]",
    "Brief reasoning: the cup was added, its shadow is missing.\n"
    "Prompt Compliance: 4\nVisual Naturalness: 3\nPhysical & Detail Coherence: 2",
    "**Prompt Compliance**: 5/5\n- Visual Naturalness: 4\n| Physical & Detail Coherence | 4 |",
    "Prompt Compliance：5\r\nVisual Naturalness：4.\r\nPhysical & Detail Coherence：4",
    "Brief reasoning: the dog is gone, its shadow is not.\n**Score**: 3/5",
    "The apple fell, as asked.\n**Final Score**: **4**",
    '{"instruction_score": 4, "knowledge_score": 5, "instruction_reasoning": "so"}',
)

REFUSED = (
    "I'm sorry, but I can't help with that.",
    "I cannot assist with evaluating images of real people.",
    "As an AI language model, I am unable to rate this content.",
    "I’m unable to provide a score because the images violate our content policy.",
    "抱歉，我无法评估这些图片。",
)

PIECES = (
    *"{}[]\"':,.|*-/\\ \n\r\t0123456789²٣５eE+",
    "\x00",
    "\u2028",
    "NaN",
    "1e999",
    "9" * 400,
    '"score"',
    "null",
    "||V^=^V||",
    ": ",
    "{" * 50,
    "\\ud800",
)

NAMES = ("instruction_score", "knowledge_score")

TOO_LONG = 2.0
"""Seconds for one reply; what takes longer counts as a hang, and as a crash."""


class FuzzOutcome(NamedTuple):
    """How many replies were tried, and what went wrong; an example of each fault is kept."""

    replies: int
    crashes: int
    out_of_range: int
    refusals_scored: int
    examples: tuple[str, ...]


def _read_two(reply: str) -> Reading:
    """Returns the scores of KRIS-Bench's only question for two, without the place of one that is missing."""
    reading = kris.read_official_kris(reply, ("instruction", "knowledge"))
    return replace(reading, scores=tuple(score for score in reading.scores if not np.isnan(score)))


READERS: dict[str, Callable[[str], Reading]] = {
    "VIEScore official, first try": lambda reply: viescore.read_official_viescore(reply, 1),
    "VIEScore official, second try": lambda reply: viescore.read_official_viescore(reply, 2),
    "VIEScore strict": viescore.read_strict_viescore,
    "lines official, ImgEdit": lines.read_official_lines,
    "lines official, REDEdit": lambda reply: lines.read_official_lines(reply, str.strip),
    "lines strict": lambda reply: lines.read_strict_lines(reply, LABELS),
    "one line strict": lines.read_single,
    "rubric": lambda reply: lines.read_labelled(reply, LABELS, 0, 5),
    "final score official": final_score.read_official_final,
    "final score strict": lambda reply: final_score.read_strict_final(reply, 0, 5),
    "KRIS official": lambda reply: kris.read_official_kris(reply, ("instruction",)),
    "KRIS official, two scores": _read_two,
    "named scores": lambda reply: final_score.read_named(reply, NAMES, 1, 5),
}

RANGES = {
    "VIEScore strict": (0, 10),
    "lines strict": (1, 5),
    "one line strict": (1, 5),
    "rubric": (0, 5),
    "final score strict": (0, 5),
    "named scores": (1, 5),
}
"""The official parsers look at no range, and official readings keep what they let pass."""


def fuzz_parsers(replies: int, seed: int) -> FuzzOutcome:
    """Returns what mutated replies did to the parsers.

    A refusal is mutated without adding anything, so whatever score it is given was made up.

    Args:
        replies: how many to make, half of them from refusals.
        seed: of the mutations.
    """
    faults: dict[str, list[str]] = {"crash": [], "range": [], "refusal": []}
    for number in range(replies):
        generator = numpy_generator(seed, "fuzz", number)
        from_refusal = number % 2 == 1
        reply = _mutated_refusal(generator) if from_refusal else _mutated_reply(generator)
        for name, read in READERS.items():
            fault = _fault(name, read, reply, from_refusal=from_refusal)
            if fault:
                faults[fault].append(f"{name}: {reply[:200]!r}")
    return FuzzOutcome(
        replies=replies,
        crashes=len(faults["crash"]),
        out_of_range=len(faults["range"]),
        refusals_scored=len(faults["refusal"]),
        examples=tuple(found[0] for found in faults.values() if found),
    )


def _fault(name: str, read: Callable[[str], Reading], reply: str, *, from_refusal: bool) -> str | None:
    start = time.perf_counter()
    try:
        reading = read(reply)
    except Exception:  # noqa: BLE001 (any exception is what this looks for)
        return "crash"
    if time.perf_counter() - start > TOO_LONG:
        return "crash"
    if reading.state is State.OK and from_refusal:
        return "refusal"
    low, high = RANGES.get(name, (-np.inf, np.inf))
    return None if all(low <= score <= high for score in reading.scores) else "range"


def _mutated_reply(generator: np.random.Generator) -> str:
    reply = str(generator.choice(VALID))
    for _ in range(int(generator.integers(1, 9))):
        start, stop = sorted(int(place) for place in generator.integers(0, len(reply) + 1, 2))
        piece = PIECES[int(generator.integers(len(PIECES)))]
        reply = (
            reply[:start] + piece + reply[start:],
            reply[:start] + piece + reply[stop:],
            reply[:start] + reply[stop:],
            reply[:stop] + reply[start:],
            reply + str(generator.choice(VALID + REFUSED)),
        )[int(generator.integers(5))]
    return reply


def _mutated_refusal(generator: np.random.Generator) -> str:
    reply = str(generator.choice(REFUSED))
    for _ in range(int(generator.integers(0, 5))):
        start, stop = sorted(int(place) for place in generator.integers(0, len(reply) + 1, 2))
        reply = (
            reply[:start] + reply[stop:],
            reply[:stop] + reply[start:],
            reply[:start] + reply[start:stop].upper() + reply[stop:],
            reply[:start] + "\n" + reply[start:],
        )[int(generator.integers(4))]
    return reply
