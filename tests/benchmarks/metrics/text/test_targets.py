"""The curated file: what is in it, who decided, and the command that keeps it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from toy_bench import rededit

from benchmarks.metrics.text.command import targets as command
from benchmarks.metrics.text.targets import TextTarget, merged, read_targets, reviewed, write_targets
from benchmarks.suites.item import SuiteError

ROWS = [
    TextTarget("1", "replace", old=("OK",), new=("WOW",)),
    TextTarget("2", "delete", old=("IM",), review="confirmed"),
    TextTarget("3", "unknown", note="nothing is quoted: fill it in by hand"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_targets(tmp_path / "targets.jsonl", ROWS)
    return tmp_path / "targets.jsonl"


def run(*arguments) -> str:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_what_is_written_is_read_again(file):
    assert read_targets(file) == ROWS


def test_a_person_may_write_one_text_without_a_list_and_leave_fields_out(tmp_path):
    path = tmp_path / "by-hand.jsonl"
    path.write_text('\ufeff{"id": "1", "op": "add", "new": "春"}\n\n', encoding="utf-8")
    assert read_targets(path) == [TextTarget("1", "add", new=("春",))]


BROKEN = {
    "not JSON": ("{", "not JSON"),
    "no object": ("[1]", "expected an object"),
    "no id": ('{"op": "add"}', "id must be a text"),
    "another op": ('{"id": "1", "op": "paint"}', "op is 'paint', expected one of add"),
    "another state": ('{"id": "1", "op": "add", "review": "yes"}', "review is 'yes'"),
    "a mistyped field": ('{"id": "1", "op": "add", "news": ["a"]}', "no field 'news'"),
    "a number for texts": ('{"id": "1", "op": "add", "new": 5}', "new must be a list of texts"),
    "numbers in texts": ('{"id": "1", "op": "add", "new": [5]}', "new must be a list of texts"),
    "an invisible text": ('{"id": "1", "op": "add", "new": ["\\u200b"]}', "nothing can be seen"),
    "an endless text": (json.dumps({"id": "1", "op": "add", "new": ["a" * 1001]}), "1000 signs"),
    "too many texts": (json.dumps({"id": "1", "op": "add", "new": ["a"] * 33}), "32 texts"),
    "a list as note": ('{"id": "1", "op": "add", "note": []}', "note must be a text"),
}


@pytest.mark.parametrize(("line", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_row_is_named_with_its_line(tmp_path, line, message):
    path = tmp_path / "targets.jsonl"
    path.write_text('{"id": "0", "op": "add", "new": ["a"]}\n' + line)
    with pytest.raises(SuiteError, match=message) as told:
        read_targets(path)
    assert "targets.jsonl:2" in str(told.value)


def test_an_id_may_stand_there_once(tmp_path):
    path = tmp_path / "targets.jsonl"
    path.write_text('{"id": "1", "op": "add"}\n' * 2)
    with pytest.raises(SuiteError, match="'1' has more than one row"):
        read_targets(path)


def test_new_proposals_leave_decisions_of_people_alone():
    fresh = [
        TextTarget("1", "add", new=("new",)),
        TextTarget("2", "add", new=("new",)),
        TextTarget("4", "add"),
    ]
    rows = merged([*ROWS, TextTarget("9", "add", review="rejected")], fresh)
    assert [(row.id, row.review) for row in rows] == [
        ("1", "proposed"), ("2", "confirmed"), ("4", "proposed"), ("9", "rejected"),
    ]  # fmt: skip
    assert rows[0].new == ("new",)
    assert rows[1] == ROWS[1]


def test_a_row_without_a_text_cannot_be_confirmed():
    with pytest.raises(SuiteError, match="3 has no text"):
        reviewed(ROWS, ["3"], "confirmed")
    with pytest.raises(SuiteError, match="no row '7'"):
        reviewed(ROWS, ["7"], "rejected")


def test_each_op_is_scored_by_its_own_texts():
    texts = {"old": ("o",), "new": ("n",), "keep": ("k",)}
    wanted = {"add": ("n",), "replace": ("n",), "delete": ("o",), "style": ("k",), "unknown": ()}
    assert {op: TextTarget("1", op, **texts).wanted for op in wanted} == wanted


def test_the_command_lists_what_is_unreviewed_and_takes_decisions(file):
    shown = run("list", file)
    assert "1 confirmed, 2 proposed, 0 rejected" in shown
    assert "WOW" in shown
    assert "IM" not in shown
    assert run("confirm", file, "--all-without-doubt").strip() == "2 confirmed, 1 proposed, 0 rejected"
    assert run("reject", file, "3").strip() == "2 confirmed, 0 proposed, 1 rejected"
    assert "IM" in run("list", file, "--review", "any")


def test_a_mistake_is_told_without_a_traceback(file):
    done = CliRunner().invoke(command, ["confirm", str(file), "nobody"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: There is no row 'nobody'")


def test_proposals_come_from_the_text_task_of_a_suite(tmp_path):
    folder, out = rededit(tmp_path / "bench"), tmp_path / "targets.jsonl"
    told = run("propose", "--suite", "rededit", "--data", folder, "--out", out)
    rows = read_targets(out)
    assert {row.id for row in rows} == {"1", "3", "5"}  # the others are of the task add
    assert f"{len(rows)} rows, 0 with a text" in told
    run("propose", "--suite", "rededit", "--data", folder, "--out", out, "--task", "add")
    assert {row.id for row in read_targets(out)} == {"2", "4", "6"}


def test_the_real_text_items_become_a_file(shared_data, tmp_path):
    out = tmp_path / "targets.jsonl"
    told = run(
        "propose", "--suite", "rededit", "--data", shared_data("bench/rededit"), "--lang", "zh", "--out", out
    )
    rows = read_targets(out)
    assert len(rows) == 123
    assert sum(bool(row.wanted) for row in rows) >= 121
    assert {row.lang for row in rows} == {"zh"}
    assert "123 to review" in told


@pytest.mark.parametrize("name", ["propose", "list", "confirm", "reject"])
def test_every_command_shows_an_example(name):
    shown = CliRunner().invoke(command, [name, "--help"]).output
    assert f"Example:\n    emberline targets {name} " in shown
