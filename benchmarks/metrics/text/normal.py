"""Texts before they are compared: one form for what looks the same, and the words that they are made of."""

import unicodedata
from collections.abc import Iterator

FOLDED = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′＇`´", "'"),
        **dict.fromkeys("“”„‟″＂", '"'),
        **dict.fromkeys("‐‑‒–—―−－", "-"),
        **dict.fromkeys("•‧∙⋅・･", "·"),
        **dict.fromkeys("〜～∼", "~"),
        "￥": "¥",
        "\u00ad": None,
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
"""Signs that a recognizer cannot tell apart, or that nobody sees."""

UNSPACED = (
    (0x2E80, 0x303F),
    (0x3040, 0x30FF),
    (0x31C0, 0x31EF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
"""Code points of scripts that put no space between words: Chinese and Japanese, with their punctuation."""


def normal(text: str) -> str:
    """Returns a text in the form in which texts are compared; case is kept.

    NFKC, which also folds full-width forms; quotes, dashes and dots of one kind; runs of white space as one
    space, and none beside Chinese or Japanese signs, where it means nothing.
    """
    folded = unicodedata.normalize("NFKC", text.translate(FOLDED)).translate(FOLDED)
    shown = "".join(" " if char.isspace() else char for char in folded if _is_shown(char))
    squeezed = " ".join(shown.split())
    return "".join(
        char
        for place, char in enumerate(squeezed)
        if char != " " or not (is_unspaced(squeezed[place - 1]) or is_unspaced(squeezed[place + 1]))
    )


def folded(text: str) -> str:
    """Returns a text in small letters, sign for sign, so that places in it are places in the text."""
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)


def is_unspaced(char: str) -> bool:
    """Returns whether a sign belongs to a script without spaces between words."""
    code = ord(char)
    return code >= UNSPACED[0][0] and any(low <= code <= high for low, high in UNSPACED)


def is_letter(char: str) -> bool:
    """Returns whether a sign is a letter, a digit or a mark on one, of a script with spaces."""
    return not is_unspaced(char) and (char.isalnum() or unicodedata.category(char).startswith("M"))


def words(text: str) -> list[str]:
    """Returns the words of a normal text, which are what counts as right or wrong as a whole.

    Words of scripts with spaces are what stands between spaces, less the punctuation around it. Of Chinese
    and Japanese runs every two neighbouring signs are one, since no dictionary cuts them here. A text that is
    nothing but punctuation is one word.
    """
    found = [word for run in _runs(text) for word in _words_of_run(run)]
    return found or ([text] if text else [])


def _is_shown(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) not in ("Cc", "Cf", "Cs")


def _runs(text: str) -> Iterator[str]:
    """Yields the parts of a text between spaces and between scripts."""
    start = 0
    for place in range(1, len(text) + 1):
        ends = place == len(text) or text[place] == " " or text[place - 1] == " "
        if ends or is_unspaced(text[place]) != is_unspaced(text[place - 1]):
            yield text[start:place]
            start = place


def _words_of_run(run: str) -> Iterator[str]:
    if is_unspaced(run[0]):
        signs = "".join(char for char in run if char.isalnum())
        yield from [signs] if len(signs) == 1 else [signs[at : at + 2] for at in range(len(signs) - 1)]
        return
    kept = [place for place, char in enumerate(run) if is_letter(char)]
    if kept:
        yield run[kept[0] : kept[-1] + 1]
