"""How well the text metric's own OCR reads texts that are known, and how the metric ranks real edits.

    python -m benchmarks.perf.text_metric --data DIR --json text_metric.json

DIR holds images with known texts [default: the folder that EMBERLINE_TEST_DATA names].

Rows of other languages than Chinese and English are shown, and are in no figure.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.metrics.text.normal import normal
from benchmarks.metrics.text.score import TextScore, score_text
from benchmarks.perf.figures import Figure, material, show_figures, show_table, write_figures
from models.ocr.text_lines import TextLine
from models.ocr.text_reader import PpOcrReader, TextReader, read_file

GOAL = 0.9
LANGUAGES = ("zh", "en")
UNSPACED_LEVEL = "boxes"
"""Rows whose labels leave out all spaces, as those of receipts do: there spaces say nothing."""


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 where every figure holds, 1 where one does not, 2 where there is nothing to compute from."""
    options = _parser().parse_args(arguments)
    truth = options.data / "ocr_text/ground_truth.jsonl"
    if not truth.exists():
        print(
            f"There is no {truth}. Give the folder of pictures with known texts to --data.", file=sys.stderr
        )
        return 2
    reader = PpOcrReader()
    figures = ocr_figures(truth, options.data, reader)
    pairs = options.data / "pairs/pairs.jsonl"
    if pairs.exists():
        show_edits(pairs, options.data, reader)
    show_figures(figures)
    if options.json:
        write_figures(options.json, figures)
    return 0 if all(figure.holds for figure in figures) else 1


def ocr_figures(truth: Path, folder: Path, reader: TextReader) -> list[Figure]:
    """Returns the mean score of each language, and shows that of every row.

    A language with a row whose image is missing does not hold: those that are there may be easy ones.

    Args:
        truth: one JSON object a line: file, lang, level, lines.
        folder: that files are relative to.
        reader: of the text in images.
    """
    means: dict[str, list[float]] = {language: [] for language in LANGUAGES}
    missing: set[str] = set()
    shown = []
    for row in _rows(truth):
        path = folder / row["file"]
        if not path.exists():
            shown.append(
                (row["file"], row["lang"], row["level"], None, None, None, None, "there is no such file")
            )
            missing.add(row["lang"])
            continue
        found = score_picture(row, read_file(reader, path.read_bytes()))
        unknown = reader.cannot_read("".join(row["lines"]))
        shown.append(
            (row["file"], row["lang"], row["level"], *_parts(found), unknown and f"cannot name {unknown:.12}")
        )
        means.get(row["lang"], []).append(found.score)
    show_table("OCR", ("file", "lang", "level", "score", "edits", "completion", "words", "note"), shown)
    return [
        Figure(
            f"ocr.mean_{language}",
            round(sum(scores) / len(scores), 4) if scores else 0.0,
            f"mean score, 0 to 1, of {len(scores)} pictures",
            f">= {GOAL}",
            language not in missing and bool(scores) and sum(scores) / len(scores) >= GOAL,
        )
        for language, scores in means.items()
    ]


def score_picture(row: Mapping[str, Any], lines: Sequence[TextLine]) -> TextScore:
    """Returns the score of what was read in an image against all of its known lines."""
    read = [line.text for line in lines]
    known = [text for text in row["lines"] if normal(text)]
    if row["level"] == UNSPACED_LEVEL:
        read, known = [text.replace(" ", "") for text in read], [text.replace(" ", "") for text in known]
    return score_text(read, known)


def show_edits(pairs: Path, folder: Path, reader: TextReader) -> None:
    """Shows the score of real edits whose text is known, and that of their sources against the same text."""
    shown = []
    for row in _rows(pairs):
        if not row.get("expected_text") or not row["target_kind"].startswith("model:"):
            continue
        scores = [
            score_text(
                [line.text for line in read_file(reader, (folder / row[side]).read_bytes())],
                row["expected_text"],
            )
            for side in ("target", "source")
        ]
        shown.append(
            (
                row["id"],
                row["target_kind"].removeprefix("model:"),
                row["expected_text"],
                *(s.score for s in scores),
            )
        )
    show_table("Edits by models", ("pair", "model", "expected", "score", "of the source"), shown)


def _parts(found: TextScore) -> tuple[float, ...]:
    return found.score, found.levenshtein, found.completion, found.words


def _rows(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=material(), help="folder with ocr_text and pairs")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
