"""What an instruction puts in quotes, however it was typed: “”, ‘’, 「」, ", ', reversed, mixed, unclosed."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.metrics.text.normal import is_letter, is_unspaced

DOUBLE, SINGLE, CORNER, WHITE_CORNER, GUILLEMET = '“”„‟"＂″', "‘’‛'＇`´", "「」", "『』", "«»"
CLASSES = (DOUBLE, SINGLE, CORNER, WHITE_CORNER, GUILLEMET)
CLASS_OF = {mark: number for number, marks in enumerate(CLASSES) for mark in marks}

CONTRACTION = re.compile(r"(?:s|t|re|ll|ve|m|d)(?![A-Za-z])", re.IGNORECASE)
NAME_PREFIX = re.compile(r"(?:^|[^A-Za-z])[ODL]$")
"""Before the apostrophe of O'Reilly, D'Angelo and L'Oréal."""

PARTICLE = re.compile(r"n['’](?=[A-Za-z])", re.IGNORECASE)
"""After the first apostrophe of rock'n'roll."""

BETWEEN = r"[\s,，、;；.。&/和与及跟]*(?:and|or)?[\s,，、;；.。]*"
"""What stands between two texts of a list; a quoted text that is only this lacks a mark somewhere."""

LONGEST_UNOPENED = 20
"""Signs of a text whose opening mark was left out; what is longer is not quoted."""


class Quoted(NamedTuple):
    """A quoted text and where it stands, from its opening mark to after its closing one."""

    text: str
    start: int
    end: int
    whole: bool
    """Whether both marks are there and fit each other."""


def quoted(text: str) -> list[Quoted]:
    """Returns the quoted parts of a text, in order.

    A mark of the same kind closes, whichever way it is turned. Without one, a mark of another kind closes, or
    else the end of the text. An apostrophe is no mark.
    """
    found, place = [], 0
    while (start := _opening(text, place)) is not None:
        inside = start + _width(text, start)
        closing = _closing(text, inside, CLASS_OF[text[start]])
        end = len(text) if closing is None else closing + _width(text, closing)
        body = text[inside:closing].strip()
        if found and re.fullmatch(BETWEEN, body):
            lost = re.sub(f"^{BETWEEN}", "", text[place:start]).strip()
            if 0 < len(lost) <= LONGEST_UNOPENED:
                found.append(Quoted(lost, text.index(lost, place), inside, False))
            end = inside
        elif closing is None:
            found.append(Quoted(body.rstrip("。"), start, end, False))
        else:
            found.append(Quoted(body, start, end, CLASS_OF[text[closing]] == CLASS_OF[text[start]]))
        place = end
    return found


def outside_quotes(text: str) -> str:
    """Returns what stands outside the quoted parts of a text, joined by spaces."""
    spans = quoted(text)
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(text)]
    return " ".join(text[left:right] for left, right in zip(edges[::2], edges[1::2], strict=True))


def _opening(text: str, place: int) -> int | None:
    return next((at for at in _marks(text, place) if not _is_possessive(text, at)), None)


def _marks(text: str, place: int) -> Iterator[int]:
    """Yields where a quotation mark stands, from a place on."""
    return (at for at in range(place, len(text)) if text[at] in CLASS_OF and not _is_apostrophe(text, at))


def _is_possessive(text: str, at: int) -> bool:
    """Returns whether a single mark follows a word and precedes none, as in both teams' scores."""
    return text[at] in SINGLE and is_letter(text[at - 1 : at] or " ") and not text[at + 1 : at + 2].strip()


def _closing(text: str, place: int, kind: int) -> int | None:
    own = [at for at in range(place, len(text)) if CLASS_OF.get(text[at]) == kind]
    if CLASSES[kind] is not SINGLE:
        return own[0] if own else next(_marks(text, place), None)
    marks = [at for at in own if not _is_apostrophe(text, at)]
    for number, at in enumerate(marks):
        if not (_could_be_apostrophe(text, at) and (len(marks) - number - 1) % 2):
            return at
    other = next(_marks(text, place), None)
    return other if other is not None or not own else own[-1]


def _width(text: str, at: int) -> int:
    """Returns how many signs a mark takes: two single ones in a row are one mark."""
    return 2 if text[at] in SINGLE and text[at : at + 2] == text[at] * 2 else 1


def _is_apostrophe(text: str, at: int) -> bool:
    """Returns whether a single mark inside a word is surely none: don't, O'Reilly, rock'n'roll."""
    if text[at] not in SINGLE or not text[at - 1 : at].isalpha() or not text[at + 1 : at + 2].isalpha():
        return False
    after = text[at + 1 :]
    if text[at - 1].isascii() and CONTRACTION.match(after):
        return True
    in_name = NAME_PREFIX.search(text[:at]) is not None and after[0].isupper()
    particle = PARTICLE.match(after) is not None or text[at - 2 : at].lower() in ("'n", "’n")
    return in_name or particle


def _could_be_apostrophe(text: str, at: int) -> bool:
    """Returns whether a single mark may be one in a word, or after a plural: the skiers' pace."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if not before.isalpha() or is_unspaced(before):
        return False
    return (after.isalpha() and not is_unspaced(after)) or (before in "sS" and after == " ")
