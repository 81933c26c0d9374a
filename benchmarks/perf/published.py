"""Published benchmark figures, computed again with the parsers and aggregators of this package.

    python -m benchmarks.perf.published --data DIR --json published.json

DIR holds the published material [default: `bench` in the folder that EMBERLINE_TEST_DATA names].

`--viescore FILE --expected FILE` takes another judge's released scores and the figures printed for them.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Literal

from benchmarks.perf.figures import Figure, material, show_figures, show_table, write_figures
from benchmarks.perf.fuzz import fuzz_parsers
from benchmarks.perf.parser_cases import check_cases
from benchmarks.perf.printed_tables import gedit_rows, report_rows
from benchmarks.perf.viescore_release import (
    TaskFigures,
    flat_expected,
    human_table,
    irregular_replies,
    models_with_figures,
    over_all_tasks,
    read_judged,
    read_rated,
    same,
    task_figures,
)

EDITING = "ImagenHub_Text-Guided_IE"
FUZZED_REPLIES = 10_000
FUZZ_SEED = 0


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 where every figure holds, 1 where one does not, 2 where there is nothing to compute from."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.viescore and not options.expected:
        parser.error("--viescore needs --expected: the default figures are those of Gemini's first run")
    bench = options.data
    raw = options.viescore or bench / "viescore/raw/results_gemini_0shot.json.gz"
    expected = options.expected or bench / "viescore/expected_gemini_0shot.json"
    try:
        figures = [
            *viescore_figures(raw, expected, bench / "viescore/human"),
            *table_figures(bench),
            *parser_figures(
                bench / "parser_cases.json", "known" if bench == parser.get_default("data") else "written"
            ),
            *fuzz_figures(),
        ]
    except (OSError, ValueError, KeyError) as error:
        print(f"The published material cannot be read: {error!s:.300}", file=sys.stderr)
        return 2
    show_figures(figures)
    if options.json:
        write_figures(options.json, figures)
    return 0 if all(figure.holds for figure in figures) else 1


def viescore_figures(raw: Path, expected: Path, humans: Path) -> list[Figure]:
    """Returns how many published figures of a VIEScore run came out again, to the digit."""
    published = flat_expected(json.loads(expected.read_text(encoding="utf-8-sig")))
    judged = read_judged(raw)
    tasks = {
        task: task_figures(task, models, read_rated(humans, task), published)
        for task, models in sorted(judged.items())
        if models_with_figures(task, models, published)
    }
    total = over_all_tasks(tasks)
    found = {name: value for task in [*tasks.values(), total] for name, value in task.published.items()}
    missed = sorted(name for name in published if name not in found or not same(found[name], published[name]))
    _show_correlations(tasks, total, published)
    show_table(
        "Replies that a strict reading leaves out", ("what", "count"), list(irregular_replies(judged).items())
    )
    if missed:
        show_table(
            "Not reproduced",
            ("figure", "published", "found"),
            [(n, published[n], found.get(n)) for n in missed],
        )
    if EDITING in judged:
        header = ("model", "SC", "±", "PQ", "±", "O", "±", "kappa of O", "alpha of O")
        show_table(f"Human ratings of {EDITING}", header, human_table(read_rated(humans, EDITING)))
    count = len(published) - len(missed)
    return [
        Figure("viescore.reproduced", count, "figures", f"all of {len(published)}", not missed),
        Figure("viescore.total", len(published), "figures", "the published ones", True),
    ]


def table_figures(bench: Path) -> list[Figure]:
    """Returns how many printed averages of GEdit-Bench and of the report came out again."""
    gedit_log = bench / "gedit/group_log_UniGen-LingXi-5B_qwen25vl.json"
    gedit = gedit_rows(json.loads(gedit_log.read_text(encoding="utf-8"))["logs"])
    report = report_rows(json.loads((bench / "firered_report_tables.json").read_text(encoding="utf-8")))
    header = ("table", "row", "printed", "found", "agrees", "reason")
    shown = [(*row[:4], "yes" if row.agrees else "NO", row.reason) for row in [*gedit, *report]]
    show_table("Printed averages", header, shown)
    equal, agreeing = sum(row.agrees for row in gedit), sum(row.agrees for row in report)
    explained = all(row.agrees or row.reason for row in report)
    return [
        Figure("gedit.reproduced", equal, "averages", f"all of {len(gedit)}", equal == len(gedit)),
        Figure("tables.reproduced", agreeing, "rows", "all, or the reason is listed", explained),
        Figure("tables.total", len(report), "rows", "Tables 3, 5 and 6", True),
    ]


def parser_figures(cases: Path, verdicts: Literal["known", "written"]) -> list[Figure]:
    """Returns how many reply cases give the official result in `official`, and their verdict in `strict`.

    Args:
        cases: the file.
        verdicts: `known` wants one for every case; `written` is for cases that others bring, of which those
            count that have one.
    """
    results = check_cases(json.loads(cases.read_text(encoding="utf-8")))
    rows = [
        (
            r.format,
            r.name,
            "yes" if r.official else "NO",
            "yes" if r.strict else "NO" if r.written else "–",
            r.reading.state,
            r.reason,
        )
        for r in results
    ]
    show_table("Replies", ("format", "case", "official", "verdict", "strict state", "why"), rows)
    reproduced, written = sum(r.official for r in results), sum(r.written for r in results)
    strict, required = sum(r.strict for r in results), len(results) if verdicts == "known" else written
    return [
        Figure(
            "parser.reproduced", reproduced, "cases", f"all of {len(results)}", reproduced == len(results)
        ),
        Figure("parser.total", len(results), "cases", "the known ones", True),
        Figure(
            "parser.strict_verdicts", strict, "cases", f"all of {required} {verdicts}", strict == required
        ),
    ]


def fuzz_figures() -> list[Figure]:
    """Returns what mutated replies did to the parsers."""
    outcome = fuzz_parsers(FUZZED_REPLIES, FUZZ_SEED)
    if outcome.examples:
        show_table("Faults", ("reply",), [(example,) for example in outcome.examples])
    return [
        Figure(f"fuzz.{name}", count, f"of {outcome.replies} replies", "0", count == 0)
        for name, count in (
            ("crashes", outcome.crashes),
            ("out_of_range", outcome.out_of_range),
            ("refusals_scored", outcome.refusals_scored),
        )
    ]


def _show_correlations(
    tasks: dict[str, TaskFigures], total: TaskFigures, published: dict[str, float | None]
) -> None:
    rows = []
    for task, figures in [*tasks.items(), ("all tasks", total)]:
        order = "".join(str(place + 1) for place in figures.rater_order)
        for metric in ("SC", "PQ", "O"):
            name = f"{task}|{metric}"
            found = (figures.published[name], figures.fisher[name], figures.corrected[name])
            rows.append((task, metric, published.get(name), *found, order))
    header = ("task", "measure", "published", "found", "averaged right", "and ties right", "rater order")
    show_table("Judge against humans, Spearman averaged over models", header, rows)
    print("  Published averages are tanh of the mean; right is Fisher's mean, tanh of the mean of atanh.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=material() / "bench", help="folder of the published material"
    )
    parser.add_argument(
        "--viescore",
        type=Path,
        help="released scores of another judge, as the default file or a folder of the release",
    )
    parser.add_argument("--expected", type=Path, help="the figures printed for those scores")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
