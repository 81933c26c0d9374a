"""Which role a quoted text has in an English instruction, by the words before and after it."""

import re

from benchmarks.metrics.text.roles import Grammar, QuoteRole, Verb

BASES = {
    Verb.REPLACE: (
        "change replace substitute modify correct update translate convert alter transform rewrite rename "
        "edit revise fix rephrase switch amend adjust turn"
    ),
    Verb.DELETE: "delete remove erase clear eliminate wipe hide omit",
    Verb.ADD: (
        "add write insert put place print draw include append create generate display engrave paint attach "
        "stick show type inscribe render embroider carve overlay stamp introduce supplement"
    ),
    Verb.KEEP: "leave keep retain preserve",
    Verb.STYLE: (
        "bold unbold embolden italicize italicise underline enlarge expand magnify reduce shrink scale "
        "resize increase decrease move relocate relocation transfer shift rotate tilt flip mirror invert "
        "straighten align swap exchange reposition center centre recolor highlight make set apply"
    ),
}
PHRASES = {
    Verb.STYLE: r"(?:add|put|draw|insert)\s+(?:an?\s+|the\s+)?(?:\w+\s+)?"
    r"(?:underline|strike-?through|shadow|outline|stroke|glow|border|frame|box|circle)\w*|"
    r"(?:switch|change|adjust)\s+(?:the\s+)?(?:positions?|places?|order|orientation|direction)",
    Verb.DELETE: r"get\s+rid\s+of|take\s+(?:out|away|off)",
    Verb.ADD: r"fill\s+in",
    Verb.KEEP: r"except(?:\s+for)?|other\s+than|apart\s+from",
}

LIST = re.compile(
    r"[\s,;&]*(?:and|or)?\s*(?:the\s+)?(?:(?:letters?|words?|numbers?|names?|texts?|lines?)\s+)?",
    re.IGNORECASE,
)
"""Between two texts of equal role."""

RELATION = re.compile(
    r"\b(?:(?P<into>to|into|with|by|as|is|are|be|being|becomes?)|(?P<of>from|of)|"
    r"(?P<landmark>below|under(?:neath)?|beneath|above|over|after|before|behind|beside|alongside|near|between|next|"
    r"around|within|inside|following|towards?|on|onto|in|at))\b",
    re.IGNORECASE,
)
PLACE_OF = re.compile(
    r"\b(?:left|right|top|bottom|side|middle|end|front|start|beginning|corner|cent(?:er|re)|part)\s+of\b[^,.;]*$",
    re.IGNORECASE,
)
ALIKE = re.compile(
    r"\b(?:same|similar|consistent|consistency|match\w*|align\w*|cent(?:er|re)\w*|thickness)\b"
    r"[^.;]*\b(?:as|with|to|of)\s+(?:[\w#&/-]+\s+){0,4}$",
    re.IGNORECASE,
)
"""Another text that the new one should look like or be lined up with."""

ANNOUNCED = re.compile(
    r"[:：]\s*$|\b(?:reads?|reading|says?|saying|labell?ed|titled|is|are|being|be)\s*:?\s*$", re.IGNORECASE
)
ARROW = re.compile(r"(?:->|→|=>)\s*$")
MERELY = re.compile(r"\b(?:only|just|solely)\s*$", re.IGNORECASE)
STYLE_NOUN = r"(?:colou?rs?|fonts?|size|style|position|weight|spacing|opacity|typeface|appearance)"
STYLE_BEFORE = re.compile(rf"\b{STYLE_NOUN}\b[^,.;:]*$", re.IGNORECASE)
STYLE_AFTER = re.compile(
    r"[^.;]*?\b(?:to|into|in|bigger|larger|smaller|bold|italics?)\b\s*(?:[\w-]+\s+){0,3}?"
    r"(?:$|colou?r|font|bold|itali|underlin|style|larger|smaller|bigger|size|green|red|blue|white|black|yellow|"
    r"purple|pink|orange|brown|gr[ae]y|gold|silver|cyan|vertical|horizontal|serif|cursive|handwr|calligr|script)",
    re.IGNORECASE,
)
STYLE_ASKED = re.compile(rf"\w+\s+(?:the\s+|its\s+)?(?:\w+\s+)?{STYLE_NOUN}\b", re.IGNORECASE)
SHOULD_SAY = re.compile(
    r"\b(?:make|have|let|should|must|to|so)\b[^,.;]*\b(?:say|read)s?\s*:?\s*$", re.IGNORECASE
)
WRITTEN_ON = re.compile(r"\s*(?:is\s+)?(?:written|printed|engraved|painted|carved)\b", re.IGNORECASE)
CASED = re.compile(r"[^.;]*?\b(?:to|into|in)\s+(?:all\s+)?(?P<case>upper|lower)-?\s?case", re.IGNORECASE)
BARE = re.compile(
    r"\b(?:change|replace|correct|modify|update)\s+(?:the\s+)?(?P<old>[\w.,:%$€£+-]+)(?:\s+[^.;]*?)?\s"
    r"(?:to|with|into)\s+(?:an?\s+|the\s+)?(?P<new>[\w.:%$€£+-]+)(?:\s+\w+)?[.\s]*$",
    re.IGNORECASE,
)
NOUN_BEFORE = re.compile(
    r"\b(?:the|an?|this|that|its|of|in|on|at|same|\w+['’]s)\s+(?:\w+\s+)?$", re.IGNORECASE
)
"""Before a word that could be a verb and is none: the print, in bold, a neon display."""


def _forms(base: str) -> str:
    stem = base.removesuffix("e")
    return rf"{base}s?|{base}d|{base}ed|{stem}ing|{base}{base[-1]}ing|{base}{base[-1]}ed"


VERB = re.compile(
    r"\b(?:" + "|".join(
        [f"(?P<{verb}_phrase>{words})" for verb, words in PHRASES.items()]
        + [f"(?P<{verb}>{'|'.join(map(_forms, bases.split()))})" for verb, bases in BASES.items()]
    ) + r")\b",
    re.IGNORECASE,
)  # fmt: skip


def _verbs(text: str) -> list[tuple[Verb, int]]:
    """Returns the verbs of a text with their places."""
    return [
        (Verb(str(found.lastgroup).removesuffix("_phrase")), found.start())
        for found in VERB.finditer(text)
        if not NOUN_BEFORE.search(text[: found.start()])
    ]


def english_last_verb(text: str) -> Verb | None:
    """Returns the verb nearest to the end of a text; None if there is none."""
    found = _verbs(text)
    return found[-1][0] if found else None


def english_role(before: str, after: str, verb: Verb | None, roles: list[QuoteRole]) -> QuoteRole:
    """Returns the role of a quoted text.

    Args:
        before: the words since the text before, or since the start.
        after: the words up to the next text, or to the end.
        verb: that rules here, None where none was said so far.
        roles: of the texts before it.
    """
    found = _verbs(before)
    near = before[found[-1][1] :] if found else re.split(r"[.;]\s", before)[-1]
    if roles and LIST.fullmatch(before):
        return roles[-1]
    if SHOULD_SAY.search(before):
        return QuoteRole.NEW
    if re.search(r"\binstead of\s+(?:[\w-]+\s+){0,3}$", before):
        return QuoteRole.OLD
    if verb is None:
        return _before_any_verb(after)
    if WRITTEN_ON.match(after) and re.search(r"\bwith\b[^,.;]*$", near):
        return QuoteRole.NEW
    if verb is Verb.KEEP or MERELY.search(near) or ALIKE.search(near):
        return QuoteRole.KEPT
    if verb is Verb.REPLACE:
        return _replaced(near, after, roles)
    if verb is Verb.ADD:
        return _added(near)
    if verb is Verb.DELETE:
        return QuoteRole.OLD if ANNOUNCED.search(near) or _relation(near) in (None, "of") else QuoteRole.KEPT
    return _styled(near, roles)


def unquoted(instruction: str) -> tuple[str, str] | None:
    """Returns old and new text of "Change 23 to 24", where neither is quoted; only numbers are taken so."""
    found = BARE.search(instruction)
    if found is None or not any(char.isdigit() for char in found["new"]):
        return None
    return found["old"], found["new"].rstrip(".")


def _relation(near: str) -> str | None:
    """Returns what joins a text to what stands before it: `into`, `of`, `landmark`, or None for nothing."""
    found = list(RELATION.finditer(near))
    last = found[-1].lastgroup if found else None
    return "landmark" if last == "of" and PLACE_OF.search(near) else last


def _before_any_verb(after: str) -> QuoteRole:
    """Returns the role of a text that stands first: what is done to it is said later, or it is a landmark."""
    passive = re.match(r"[^,.;]*?\b(?:be|is|are)\s+(?P<verb>\w+)", after)
    verb = english_last_verb(passive["verb"]) if passive else None
    roles = {
        Verb.REPLACE: QuoteRole.OLD,
        Verb.DELETE: QuoteRole.OLD,
        Verb.ADD: QuoteRole.NEW,
        Verb.STYLE: QuoteRole.STYLED,
    }
    return roles.get(verb, QuoteRole.KEPT) if verb else QuoteRole.KEPT


def _replaced(near: str, after: str, roles: list[QuoteRole]) -> QuoteRole:
    relation = "into" if ARROW.search(near) or ANNOUNCED.search(near) else _relation(near)
    if relation == "into":
        return QuoteRole.NONE if QuoteRole.STYLED in roles or STYLE_ASKED.match(near) else QuoteRole.NEW
    if QuoteRole.OLD in roles or QuoteRole.NEW in roles:
        return QuoteRole.KEPT if relation == "landmark" or QuoteRole.NEW in roles else QuoteRole.OLD
    goes_on = re.search(r"\b(?:to|with|into)\W*(?:[\w-]+\s+){0,4}$", after)
    styled = STYLE_BEFORE.search(near) or (STYLE_AFTER.match(after) and not goes_on)
    return QuoteRole.STYLED if styled else QuoteRole.OLD


def _added(near: str) -> QuoteRole:
    if ANNOUNCED.search(near):
        return QuoteRole.NEW
    if re.search(r"\bwith\s+(?:the\s+)?(?:[\w-]+\s+){0,3}$", near):
        return QuoteRole.NEW
    return QuoteRole.KEPT if _relation(near) in ("landmark", "into") else QuoteRole.NEW


def _styled(near: str, roles: list[QuoteRole]) -> QuoteRole:
    if QuoteRole.STYLED not in roles:
        return QuoteRole.KEPT if _relation(near) == "landmark" else QuoteRole.STYLED
    return QuoteRole.NONE if re.search(r"\b(?:to|as)\s*$", near) else QuoteRole.KEPT


ENGLISH = Grammar(english_last_verb, english_role, CASED)
