"""From instruction to target: what should be readable afterwards, what should be gone, what should stay.

The result is a proposal for a person to review, never the truth: instructions are written by hand.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from benchmarks.metrics.text.chinese import CHINESE
from benchmarks.metrics.text.english import ENGLISH, unquoted
from benchmarks.metrics.text.normal import is_unspaced, normal
from benchmarks.metrics.text.quotes import Quoted, outside_quotes, quoted
from benchmarks.metrics.text.roles import Grammar, QuoteRole, Verb
from benchmarks.metrics.text.targets import Op, TextTarget

OPS: Mapping[Verb | None, Op] = {
    Verb.REPLACE: "replace", Verb.ADD: "add", Verb.DELETE: "delete", Verb.STYLE: "style",
}  # fmt: skip
PLAIN_COUNT = 2
"""Quoted texts that an instruction has at most where one edit is asked for."""

SEVERAL = re.compile(r"\b(?:both|all|every|each)\b|两[个处]|所有|每[个处]", re.IGNORECASE)

ASIDE = re.compile(r"\s*[(（][^()（）]*[)）]")
"""A translation after a text."""

COLON = re.compile(r"[:：]\s*(?P<text>[^:：]+?)\s*[。.]?\s*$")


def propose(sample_id: str, instruction: str, lang: str) -> TextTarget:
    """Returns the target that an instruction names, as a proposal; the note says what makes it doubtful.

    Args:
        sample_id: of the item.
        instruction: in English or Chinese, whatever script the quoted texts have.
        lang: `en` or `zh`, as the suite says.
    """
    spans = [span for span in quoted(instruction) if normal(span.text)]
    grammar = _grammar(instruction)
    if not spans:
        return _without_quotes(TextTarget(sample_id, "unknown", lang=lang), instruction, grammar)
    between = _between(instruction, spans)
    roles: list[QuoteRole] = []
    verb: Verb | None = None
    for before, after in between:
        verb = grammar.last_verb(before) or verb
        roles.append(grammar.role(before, after, verb, roles))
    verb = verb or grammar.last_verb(between[-1][1])
    found = {role: _texts(spans, roles, role) for role in QuoteRole}
    op = _op(found, verb)
    if op == "replace" and not found[QuoteRole.NEW]:
        found[QuoteRole.NEW] = _recased(found[QuoteRole.OLD], between, grammar)
    target = TextTarget(
        sample_id,
        op,
        old=found[QuoteRole.OLD],
        new=found[QuoteRole.NEW],
        keep=tuple(
            text
            for text in (*found[QuoteRole.STYLED], *found[QuoteRole.KEPT])
            if text not in (*found[QuoteRole.OLD], *found[QuoteRole.NEW])
        ),
        lang=lang,
    )
    return replace(target, note="; ".join(_doubts(target, instruction, spans)))


def _grammar(instruction: str) -> Grammar:
    """Returns the module that knows the language of the words outside the quotes."""
    outside = ASIDE.sub("", outside_quotes(instruction))
    return CHINESE if any(map(is_unspaced, outside)) else ENGLISH


def _between(instruction: str, spans: Sequence[Quoted]) -> list[tuple[str, str]]:
    """Returns the words before and after each text, up to its neighbours, less translations in brackets."""
    edges = [0, *(span.end for span in spans)]
    stops = [*(span.start for span in spans), len(instruction)]
    gaps = [
        ASIDE.sub("", instruction[left:right]) if number else instruction[left:right]
        for number, (left, right) in enumerate(zip(edges, stops, strict=True))
    ]
    return list(pairwise(gaps))


def _texts(spans: Sequence[Quoted], roles: Sequence[QuoteRole], role: QuoteRole) -> tuple[str, ...]:
    return tuple(dict.fromkeys(span.text for span, own in zip(spans, roles, strict=True) if own is role))


def _op(found: Mapping[QuoteRole, tuple[str, ...]], verb: Verb | None) -> Op:
    if found[QuoteRole.NEW]:
        return "replace" if found[QuoteRole.OLD] or verb is Verb.REPLACE else "add"
    if found[QuoteRole.OLD]:
        return "replace" if verb is Verb.REPLACE else "delete"
    if found[QuoteRole.STYLED]:
        return "style"
    return OPS.get(verb, "unknown")


def _recased(old: tuple[str, ...], between: Sequence[tuple[str, str]], grammar: Grammar) -> tuple[str, ...]:
    """Returns the old texts in capitals or small letters where the instruction asks for that."""
    found = next((match for _, after in between if (match := grammar.cased.match(after))), None)
    if found is None:
        return ()
    upper = found["case"].lower() in ("upper", "大")
    return tuple(text.upper() if upper else text.lower() for text in old)


def _without_quotes(target: TextTarget, instruction: str, grammar: Grammar) -> TextTarget:
    """Returns a proposal from words without quotes: a list after a colon, or a number for another."""
    verb = grammar.last_verb(instruction)
    listed = COLON.search(instruction)
    pair = unquoted(instruction)
    if listed is not None and verb in (Verb.ADD, Verb.REPLACE):
        op: Op = "add" if verb is Verb.ADD else "replace"
        return replace(target, op=op, new=(listed["text"],), note="not quoted: taken from after the colon")
    if pair is not None:
        return replace(target, op="replace", old=pair[:1], new=pair[1:], note="not quoted")
    return replace(target, op=OPS.get(verb, "unknown"), note="nothing is quoted: fill it in by hand")


def _doubts(target: TextTarget, instruction: str, spans: Sequence[Quoted]) -> Iterator[str]:
    if not target.wanted:
        yield "the text itself is not given: fill it in by hand"
    if not all(span.whole for span in spans):
        yield "quotation marks do not pair up"
    if len(spans) > PLAIN_COUNT:
        yield f"{len(spans)} quoted texts"
    if SEVERAL.search(instruction):
        yield "said of more than one place"
    if set(target.new) & set(target.old):
        yield "a text is both old and new"
