"""How well the text metric reads texts that are known, and whether it tells an edit from its source.

    python -m benchmarks.perf.text_metric --data DIR --json text_metric.json
    python -m benchmarks.perf.text_metric --data DIR --pairs pairs.jsonl --root IMAGES

DIR holds images with known texts, pairs of images, and the list of REDEdit [default: the folder that
EMBERLINE_TEST_DATA names]. A pair has an id, an instruction, a source and a target, and `expected_text` where
it is known. Targets whose `target_kind` begins with "model:" are shown, and are in no mean of targets.

Rows of other languages than Chinese and English are shown, and are in no figure.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.metrics.text.against_source import edit_score, gone_score
from benchmarks.metrics.text.command import proposals
from benchmarks.metrics.text.extract import propose
from benchmarks.metrics.text.normal import is_unspaced, normal
from benchmarks.metrics.text.page import Page, upright_size
from benchmarks.metrics.text.score import DEFAULT_WEIGHTS, TextScore, score_text
from benchmarks.metrics.text.targets import TextTarget
from benchmarks.parsing.reading import Reading
from benchmarks.perf.figures import Figure, material, show_figures, show_table, write_figures
from benchmarks.suites.catalogue import load_suite
from models.ocr.text_lines import TextLine
from models.ocr.text_reader import PpOcrReader, TextReader, read_file

GOAL, MOST_UNEDITED, LEAST_COVERAGE = 0.9, 0.2, 0.7
LANGUAGES = ("zh", "en")
UNSPACED_LEVEL = "boxes"
"""Rows whose labels leave out all spaces, as those of receipts do: there spaces say nothing."""


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 where every figure holds, 1 where one does not, 2 where there is nothing to compute from."""
    options = _parser().parse_args(arguments)
    truth = options.data / "ocr_text/ground_truth.jsonl"
    pairs, rededit = options.pairs or options.data / "pairs/pairs.jsonl", options.data / "bench/rededit"
    needed = [(truth, "--data")] + ([(pairs, "--pairs")] if options.pairs else [])
    for path, option in needed:
        if not path.exists():
            print(
                f"There is no {path}. Give the folder or the file that holds it to {option}.", file=sys.stderr
            )
            return 2
    reader = PpOcrReader()
    figures = ocr_figures(truth, options.data, reader)
    if pairs.exists():
        figures += pair_figures(pairs, options.root or options.data, reader)
    if rededit.exists():
        figures.append(gone_figure(rededit))
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


class ScoredPair(NamedTuple):
    """A pair that names a text: its row, what was asked for, both scores (None if unmeasured), and a note."""

    row: Mapping[str, Any]
    target: TextTarget
    of_target: float | None
    of_source: float | None
    note: str

    @property
    def is_of_model(self) -> bool:
        """Whether a model made the target."""
        return str(self.row.get("target_kind")).startswith("model:")


def pair_figures(pairs: Path, root: Path, reader: TextReader) -> list[Figure]:
    """Returns the mean score of real edits and of their unedited sources, and how many edits are measured.

    Args:
        pairs: one JSON object a line: id, instruction, source, target.
        root: that source and target are relative to.
        reader: of the text in images.
    """
    named = [(row, target) for row in _rows(pairs) if (target := target_of(row)).wanted]
    pages = _Pages(root, reader)
    edits = [_edit(row, target, pages) for row, target in named]
    show_table(
        "Edits of text",
        ("pair", "kind", "operation", "target", "source", "note"),
        [(one.row["id"], one.row.get("target_kind"), one.target.op, *one[2:]) for one in edits],
    )
    targets = [one.of_target for one in edits if one.of_target is not None and not one.is_of_model]
    sources = [one.of_source for one in edits if one.of_source is not None]
    mean_target, mean_source = (sum(values) / max(len(values), 1) for values in (targets, sources))
    coverage = len(sources) / max(len(edits), 1)
    return [
        Figure("text.targets_mean", round(mean_target, 4), f"mean score, 0 to 1, of {len(targets)} edits",
               f">= {GOAL}", bool(targets) and mean_target >= GOAL),
        Figure("text.sources_mean", round(mean_source, 4), f"mean score, 0 to 1, of {len(sources)} sources",
               f"<= {MOST_UNEDITED}", bool(sources) and mean_source <= MOST_UNEDITED),
        Figure("text.coverage", round(coverage, 4), f"share of {len(edits)} edits that name a text",
               f">= {LEAST_COVERAGE}", coverage >= LEAST_COVERAGE),
    ]  # fmt: skip


def target_of(row: Mapping[str, Any]) -> TextTarget:
    """Returns what an edit should come to: the text that its row states, or what its instruction names."""
    instruction = row["instruction"]
    target = propose(row["id"], instruction, "zh" if any(map(is_unspaced, instruction)) else "en")
    if not row.get("expected_text"):
        return target
    return replace(target, op="replace" if target.op == "replace" else "add", new=(row["expected_text"],))


def gone_figure(data: Path) -> Figure:
    """Returns in how many of REDEdit's replacements and removals an unedited image counts as edited.

    Args:
        data: folder of the benchmark's list and prompts; images are not needed.
    """
    targets = [
        target
        for lang in LANGUAGES
        for target in proposals(load_suite("rededit", data=data, images=None, lang=lang))
        if target.op in ("replace", "delete") and target.old
    ]
    scores = [gone_score(target, target.old, target.old, DEFAULT_WEIGHTS) for target in targets]
    wrong = sum(isinstance(score, Reading) or score > 0 for score in scores)
    unit = f"of {len(targets)} replacements and removals of REDEdit, unedited"
    return Figure("text.gone_false", wrong, unit, "= 0", bool(targets) and not wrong)


class _Pages:
    """What is read in files, each content once."""

    def __init__(self, root: Path, reader: TextReader) -> None:
        self._root, self._reader = root, reader
        self._pages: dict[bytes, Page] = {}

    def of(self, file: str) -> Page:
        data = (self._root / file).read_bytes()
        key = hashlib.sha256(data).digest()
        if key not in self._pages:
            read = [line._asdict() for line in read_file(self._reader, data)]
            self._pages[key] = Page(read, upright_size(data))
        return self._pages[key]


def _edit(row: Mapping[str, Any], target: TextTarget, pages: _Pages) -> ScoredPair:
    source, output = pages.of(row["source"]), pages.of(row["target"])
    of_target, of_source = (
        edit_score(target, row["instruction"], source, page, DEFAULT_WEIGHTS) for page in (output, source)
    )
    if isinstance(of_target, Reading) or isinstance(of_source, Reading):
        note = of_target.note if isinstance(of_target, Reading) else ""
        return ScoredPair(row, target, None, None, note)
    return ScoredPair(row, target, of_target, of_source, ", ".join(target.wanted))


def _parts(found: TextScore) -> tuple[float, ...]:
    return found.score, found.levenshtein, found.completion, found.words


def _rows(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return [json.loads(line) for line in lines if line.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=material(), help="folder with ocr_text and pairs")
    parser.add_argument("--pairs", type=Path, help="edits, one a line [default: pairs/pairs.jsonl of --data]")
    parser.add_argument("--root", type=Path, help="folder of their images [default: that of --data]")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
