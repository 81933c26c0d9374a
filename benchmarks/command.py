"""`emberline bench`: score any editor on any suite, and write one page and one file of figures."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID
from rich.table import Table

from benchmarks.suites.catalogue import SUITES, load_suite
from benchmarks.suites.item import SuiteError, is_writable
from benchmarks.suites.outputs import Outputs, find_outputs
from benchmarks.suites.suite import Suite
from benchmarks.suites.thumbnails import DecoderDiedError
from models.vlm.client import ClientUnavailableError
from models.vlm.redact import redact
from models.vlm.replies import RepliesBusyError, RepliesError

FAULTS = (SuiteError, ClientUnavailableError, RepliesError, RepliesBusyError, DecoderDiedError)
"""Errors that are the user's to fix: shown as a message, without a traceback."""

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANYTHING = click.Path(exists=True, path_type=Path)


@click.command()
@click.option(
    "--suite", "name", required=True, type=click.Choice(list(SUITES)), help="Name of the benchmark."
)
@click.option("--data", required=True, type=ANYTHING, help="Your copy of the benchmark's official files.")
@click.option("--images", type=FOLDER, help="Folder of its images, if they are elsewhere.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.option(
    "--outputs", "finished", multiple=True, metavar="[NAME=]DIR", help="Finished outputs of a model."
)
@click.option(
    "--editor",
    "editors",
    multiple=True,
    metavar="[NAME=]SPEC",
    help="An editor that makes the outputs now; copy hands the source back. Code in a diffusers folder is "
    "run: trust the folder.",
)
@click.option(
    "--judge",
    "judge_spec",
    metavar="SPEC",
    help="openai:MODEL, gemini:MODEL, vlm:DIR, evaluator:DIR, replay:FILE.",
)
@click.option("--judge-url", help="Address of your own judge, up to and including /v1 or /v1beta.")
@click.option(
    "--retry-wait",
    type=click.FloatRange(0.0, 60.0),
    default=1.0,
    show_default=True,
    help="Seconds to wait before a failed request is repeated; doubled after each failure.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="How often each question is asked.",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 128),
    default=8,
    show_default=True,
    help="Number of items judged at once.",
)
@click.option(
    "--questions",
    type=click.Choice(["suite", "text"]),
    default="suite",
    show_default=True,
    help="Questions for the judge: those of the suite, or ours about edits of text (report 4.2).",
)
@click.option(
    "--text",
    "text_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Targets of the text metric, from `emberline targets` [default: the texts that the suite names].",
)
@click.option(
    "--text-weights",
    metavar="A,B,C",
    help="Weights of edits, completion and words in the text metric [default: 0.4,0.3,0.3].",
)
@click.option(
    "--companions/--no-companions",
    default=None,
    help="Measure shift, zoom, faces and differences outside the edit [default: without a judge].",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="NAME=DIR",
    help="Weights of auxiliary metrics: faces (YuNet and SFace), descriptor, lpips.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the run [default: bench/<suite>-<lang>].",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file as well.",
)
@click.option(
    "--seed", default=43, show_default=True, help="Seed; each sample derives its noise from it and its id."
)
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    default=40,
    show_default=True,
    help="Sampling steps of an editor.",
)
@click.option("--cfg", type=float, help="Guidance scale of an editor [default: its own].")
@click.option(
    "--size",
    type=click.Choice(["model", "source"]),
    default="model",
    show_default=True,
    help="Size of an editor's outputs: decided by the model, or that of the source.",
)
@click.option(
    "--shard",
    default="0/1",
    show_default=True,
    metavar="K/N",
    help="Make only every Nth output, beginning with number K (from 0), and compute no scores.",
)
@click.option(
    "--tracking-uri",
    default="sqlite:///mlflow.db",
    show_default=True,
    help="Tracking URI of MLflow, for models:/ addresses and --experiment.",
)
@click.option("--experiment", help="Log figures and report to this MLflow experiment.")
@click.option(
    "--fetch-from",
    multiple=True,
    metavar="HOST",
    help="Host from which images may be fetched if an editor's service answers with URLs.",
)
def bench(**options: Any) -> None:
    """Score image editors on REDEdit, ImgEdit, GEdit, RISEBench, KRIS, TextEditBench, or a suite of yours.

    \b
    Example:
      emberline bench --suite plain --data mine --outputs ours=out/ours --judge openai:gpt-4.1

    \b
    Existing outputs, named as the official scripts name them, with or without their folders:
      emberline bench --suite rededit --lang zh --data rededit_bench --images REDEdit_Bench \\
        --outputs mine=out/mine --outputs theirs=out/theirs --judge gemini:gemini-3-flash-preview

    \b
    Score again from the stored replies, without asking a judge:
      emberline bench ... --judge replay:bench/rededit-zh/replies.jsonl --out again

    \b
    An editor that makes its outputs now: a registered model, a diffusers folder, a service:
      emberline bench --suite imgedit --data Benchmark/Basic --images Benchmark/images \\
        --editor models:/emberline-edit@champion --judge openai:gpt-4.1 \\
        --tracking-uri sqlite:///.emberline/demo/mlflow/mlflow.db

    Keys are read from OPENAI_API_KEY, GEMINI_API_KEY and EDITOR_API_KEY and are not stored. The folder of the
    run keeps every reply: an interrupted run continues where it stopped and asks no answered question again.
    Every figure is computed in two scoring modes, official and strict, with the share of samples that have
    scores, a 95 % interval, and the value if every missing sample had the worst possible score.

    \b
    Compare the text in images, read by OCR, with the text that the edit asks for:
      emberline targets propose --suite rededit --lang zh --data rededit_bench --out targets.jsonl
      emberline bench ... --text targets.jsonl

    \b
    A suite of your own is a folder with items.jsonl, one object a line:
      {"id": "1", "task": "text", "instruction": "Add “2nd Edition”", "sources": ["book.png"]}
    """
    try:
        _bench(**options)
    except FAULTS as error:
        raise click.ClickException(redact(str(error))) from error


def _bench(
    name: str,
    data: Path,
    images: Path | None,
    lang: str,
    out: Path | None,
    json_file: Path | None,
    **rest: Any,
) -> None:
    from benchmarks.report.evaluate import evaluate

    shard = _shard(rest["shard"])
    suite = load_suite(name, data=data, images=images, lang=lang)
    folder = out or Path("bench") / f"{name}-{lang}"
    console = Console(file=sys.stderr)
    with Bar(console=console, transient=True) as bar:
        progress = _progress(bar)
        outputs, made_with = _outputs(suite, folder, progress, **{**rest, "shard": shard})
        if shard[1] > 1:
            click.echo(f"Made this shard's outputs in {folder / 'outputs'}.")
            return
        suite, judge = _judge(_asked(suite, rest["questions"]), list(outputs), **rest)
        result = evaluate(
            suite,
            outputs,
            judge=judge,
            folder=folder,
            settings=_settings(suite, **rest),
            made_with=made_with,
            progress=progress,
        )
    if json_file is not None:
        text = json.dumps(result.figures, indent=1, ensure_ascii=False, allow_nan=False)
        json_file.write_text(f"{text}\n", encoding="utf-8")
    _print(result.figures, Console())
    click.echo(f"The report is {result.page}.")
    if result.unscored is not None:
        raise click.ClickException(result.unscored)
    if rest["experiment"] is not None:
        _track(result.figures, folder, rest["tracking_uri"], rest["experiment"])


def _asked(suite: Suite, questions: str) -> Suite:
    if questions == "suite":
        return suite
    from benchmarks.protocols.text_edit import text_edits_of

    return text_edits_of(suite)


def _settings(suite: Suite, **rest: Any) -> Any:
    from benchmarks.scoring.score_outputs import Settings
    from benchmarks.scoring.tools import auxiliary_tools, text_metric

    asked = rest["companions"]
    wanted = rest["judge_spec"] is None if asked is None else asked
    return Settings(
        repeats=rest["repeats"],
        parallel=rest["parallel"],
        text=text_metric(suite, rest["text_file"], rest["text_weights"]),
        auxiliary=auxiliary_tools(rest["weights"]) if wanted or rest["weights"] else None,
    )


def _track(figures: Mapping[str, Any], folder: Path, tracking_uri: str, experiment: str) -> None:
    from mlflow.exceptions import MlflowException

    from benchmarks.report.tracking import log_report

    try:
        run_id = log_report(figures, folder, tracking_uri=tracking_uri, experiment=experiment)
    except MlflowException as error:
        raise SuiteError(f"MLflow at {tracking_uri} refused the figures: {error.message}") from error
    click.echo(f"Logged to MLflow as run {run_id}.")


def _outputs(
    suite: Suite, folder: Path, progress: Any, *, finished: Sequence[str], editors: Sequence[str], **rest: Any
) -> tuple[dict[str, Outputs], dict[str, Mapping[str, Any]]]:
    outputs: dict[str, Outputs] = {}
    made_with: dict[str, Mapping[str, Any]] = {}
    named = _named([*finished, *editors])  # one list, so that no name is in both
    for model, place in named[: len(finished)]:
        if not Path(place).is_dir():
            raise SuiteError(f"--outputs {model}: the folder {place} does not exist.")
        outputs[model] = find_outputs(Path(place), suite.items)
        made_with[model] = {"outputs": place}
    for model, spec in named[len(finished) :]:
        from benchmarks.editors.choose import Sampling, chosen_editor
        from benchmarks.editors.run import run_editor
        from models.vlm.http import Retries

        retries = Retries(first_wait=rest["retry_wait"])
        sampling = Sampling(rest["seed"], rest["steps"], rest["cfg"], rest["size"], retries)
        editor = chosen_editor(
            spec, sampling, tracking_uri=rest["tracking_uri"], fetch_from=rest["fetch_from"]
        )
        outputs[model] = run_editor(
            suite.items,
            editor,
            folder=folder / "outputs" / model,
            batch=1,
            progress=progress,
            shard=rest["shard"],
        )
        made_with[model] = editor.settings
    return outputs, made_with


def _judge(suite: Suite, models: Sequence[str], **rest: Any) -> tuple[Suite, Any]:
    if rest["judge_spec"] is None:
        return suite, None
    from benchmarks.judges.choose import chosen_judge
    from models.vlm.http import Retries

    return chosen_judge(
        rest["judge_spec"],
        suite,
        url=rest["judge_url"],
        models=models,
        retries=Retries(first_wait=rest["retry_wait"]),
    )


def _named(values: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for value in values:
        name, separator, place = value.partition("=")
        found.append(
            (name, place) if separator else (Path(value.partition("#")[2] or value).name or value, value)
        )
    names = [name for name, _ in found]
    twice = sorted(
        {
            name
            for name in names
            if names.count(name) > 1 or "/" in name or name in ("", ".", "..") or not is_writable(name)
        }
    )
    if twice:
        raise SuiteError(
            f"Each model needs a unique name without slashes, as in NAME=DIR; found {twice[0]!r}."
        )
    return found


def _shard(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and int(number) < int(of)):
        raise SuiteError(f"--shard {text}: expected K/N with K from 0 to N-1, such as 0/4.")
    return int(number), int(of)


def _progress(bar: Bar) -> Any:
    tasks: dict[str, TaskID] = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, total=total)

    return told


def _print(figures: Mapping[str, Any], console: Console) -> None:
    table = Table(title=figures["title"], title_justify="left")
    for column in ("model", "measure", "view", "value", "95 % interval", "scored", "missing as worst"):
        numbers = column in ("value", "scored", "missing as worst")
        table.add_column(
            column, justify="right" if numbers else "left", overflow="fold", no_wrap=column == "95 % interval"
        )
    order = list(figures["models"])
    metrics = [row["measure"] for row in figures["figures"]]
    rows = sorted(figures["figures"], key=lambda r: (metrics.index(r["measure"]), order.index(r["model"])))
    for row in rows:
        mark = "" if row["complete"] and figures["suite_complete"] else " ⚠"
        table.add_row(
            row["model"],
            row["measure"],
            row["view"],
            f"{_shown(row['value'])}{mark}",
            f"{_shown(row['low'])}–{_shown(row['high'])}",
            f"{row['scored']} of {row['samples']}",
            _shown(row["missing_as_worst"]),
        )
    console.print(table)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    bench()
