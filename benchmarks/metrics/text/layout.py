"""Edits that change where a text stands or how large it is, as far as boxes of OCR tell it."""

import re
from enum import StrEnum

import numpy as np

from benchmarks.metrics.text.page import Extent
from benchmarks.metrics.text.quotes import outside_quotes

MOVED = 0.25
"""Distance, in heights of its line, from which a text counts as moved. A text that a person was asked to
shift slightly moved by 0.5, and boxes of a text that stays differ by 0.1."""

RESIZED = 0.04
"""Change of size from which a text counts as resized; boxes of text that was drawn again differ by 2 %."""


class LayoutChange(StrEnum):
    """What an edit of style asks for; only OTHER cannot be seen in the boxes of OCR."""

    MOVE = "move"
    ENLARGE = "enlarge"
    SHRINK = "shrink"
    OTHER = "other"


WORDS = {
    LayoutChange.MOVE: (
        r"\bmov(?:e|ing)\b|\brelocat|\bshift(?:s|ed|ing)?\b|\breposition|\btransfer|\bswap|\bexchange|"
        r"移动|移至|移到|挪|对调|交换|互换|调换"
    ),
    LayoutChange.ENLARGE: (
        r"\benlarg|\bexpand|\btwice\b|\bbigger\b|\blarger\b|\bmagnif|\bincreas\w*[^.]*\bsize|\bscal\w+[^.]*\bup\b|"
        r"\b(?:scale|resize)\b[^.%]*\b1\d\d\s*%|放大|变大|加大|增大|更大|大一[点些]"
    ),
    LayoutChange.SHRINK: (
        r"\bshr[iu]nk|\bsmaller\b|\b(?:reduc|decreas)\w*[^.]*\bsize|\bscal\w+[^.]*\bdown\b|"
        r"\b(?:scale|resize)\b[^.%]*\b\d?\d\s*%|缩小|变小|减小|更小|小一[点些]"
    ),
    LayoutChange.OTHER: (
        r"\brotat|\btilt|\bflip|\bmirror|\binvert|\bcolou?r|\b(?:un)?bold|\bfont\b(?!\s+size)|\btypeface|"
        r"\bitalic|\bunderlin|\bopacity|\bspacing|\bvertical|\bhorizontal|旋转|翻转|镜像|倾斜|颜色|字体|加粗|变粗|斜体|下划线|删除线"
    ),
}
CHANGE = re.compile("|".join(f"(?P<{change}>{words})" for change, words in WORDS.items()), re.IGNORECASE)


def layout_change(instruction: str) -> LayoutChange:
    """Returns which change of layout an instruction asks for first; OTHER where it names none."""
    match = CHANGE.search(outside_quotes(instruction))
    return LayoutChange(str(match.lastgroup)) if match else LayoutChange.OTHER


def has_changed(change: LayoutChange, before: Extent, after: Extent) -> bool:
    """Returns whether a text was moved or resized as asked; where to and by how much is not looked at."""
    if change is LayoutChange.MOVE:
        return float(np.linalg.norm((after.centre - before.centre) / before.line)) >= MOVED
    growth = (after.area / before.area) ** 0.5 - 1
    return growth >= RESIZED if change is LayoutChange.ENLARGE else growth <= -RESIZED
