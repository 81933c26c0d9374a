"""GEdit-Bench in every form that it comes in, whole and broken."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy_bench import GEDIT_PARTS, gedit, gedit_rows, write
from toy_suite import load, picture

from benchmarks.suites.item import MissingPictureError, SuiteError
from models.common.pixels import encode_png


@pytest.mark.parametrize("form", ["parquet", "arrow", "export"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_gedit_bench_is_read_from_every_form_that_it_comes_in(tmp_path, form, lang):
    suite = load("gedit", gedit(tmp_path, form), lang)
    code = {"en": "en", "zh": "cn"}[lang]
    assert {item.sample_id for item in suite.items} == {f"{number:032x}{code}" for number in range(4)}
    for item in suite.items:
        number = int(item.sample_id[:-2], 16)
        assert item.output == f"fullset/{item.kind}/{code}/{item.sample_id}"
        np.testing.assert_array_equal(item.sources[0].pixels(), picture(f"gedit{number}", 24, 32))
        assert item.lang == lang


@pytest.mark.parametrize("name", ["gedit_intersection", "gedit_local_intersection"])
def test_the_intersection_of_gedit_bench_is_a_suite_of_its_own(tmp_path, name):
    suite = load(name, gedit(tmp_path))
    assert {int(item.sample_id[:-2], 16) for item in suite.items} == {0, 2}
    assert (suite.name, suite.published) == (name, None)
    assert "intersection" in suite.title


def test_gedit_bench_asks_with_viescores_prompts(tmp_path):
    suite = load("gedit", gedit(tmp_path))
    item = suite.items[0]
    success, quality = suite.protocol.questions(item)
    parts = [GEDIT_PARTS[name] for name in ("context_no_delimit", "two_image_edit_rule", "tie_rule_SC")]
    assert success.parts[0].text == "\n".join(parts).replace("<instruction>", item.instruction)
    assert success.roles() == ("source", "output")
    assert quality.parts[0].text == f"{GEDIT_PARTS['context_no_delimit']}\n{GEDIT_PARTS['rule_PQ']}"
    assert quality.roles() == ("output",)
    shown = success.parts[2].transport
    assert (shown.format, shown.quality, shown.like_source) == ("jpeg", 75, True)
    local = load("gedit_local", tmp_path).protocol
    assert [type(part).__name__ for part in local.questions(item)[0].parts] == ["Show", "Show", "Say"]
    assert dict(local.parameters) == {"max_tokens": 512, "temperature": 0.0, "seed": 42}


def test_a_row_of_gedit_bench_that_cannot_be_used_is_named_and_the_rest_is_kept(tmp_path):
    rows = gedit_rows()
    rows[0]["instruction"] = " "
    rows[1]["instruction_language"] = "de"
    suite = load("gedit", gedit(tmp_path, rows=rows))
    assert len(suite.items) == 3
    assert suite.problems == (
        "row 0: instruction must be a text, found ' '.",
        "row 1: instruction_language must be en or cn.",
    )


def test_a_picture_of_gedit_bench_without_bytes_is_missing(tmp_path):
    rows = gedit_rows(2)
    for row in rows:
        row["input_image"] = {"bytes": None, "path": "../../secret.png"}
    write(tmp_path / "secret.png", encode_png(picture("secret")))
    suite = load("gedit", gedit(tmp_path / "inner" / "data", rows=rows))
    with pytest.raises(MissingPictureError, match=r"secret\.png cannot be read"):
        suite.items[0].sources[0].read()  # only the name counts, and only beside the table


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "train-00000-of-00001.parquet").unlink(), "no Parquet or Arrow file"),
        (lambda folder: write(folder / "train-00000-of-00001.parquet", b"PAR1?"), "not a Parquet file"),
        (lambda folder: (folder / "prompts" / "rule_PQ.txt").unlink(), "must hold context_no_delimit.txt"),
        (
            lambda folder: pq.write_table(
                pq.read_table(folder / "train-00000-of-00001.parquet").drop_columns("input_image"),
                folder / "train-00000-of-00001.parquet",
            ),
            "has no column input_image",
        ),
    ],
)
def test_files_that_are_not_gedit_bench_say_what_is_missing(tmp_path, break_it, message):
    break_it(gedit(tmp_path))
    with pytest.raises(SuiteError, match=message):
        load("gedit", tmp_path)


def test_rows_of_an_export_without_a_picture_are_named_and_the_rest_is_kept(tmp_path):
    path = gedit(tmp_path, "export") / "metadata.jsonl"
    first, *rest = path.read_text().splitlines()
    nameless = {name: value for name, value in json.loads(first).items() if name != "file_name"}
    outside = {**nameless, "file_name": "../../x.png"}
    path.write_text("\n".join([json.dumps(nameless), json.dumps(outside), *rest]))
    suite = load("gedit", tmp_path)
    assert len(suite.items) == 3
    assert [problem.partition(": ")[2][:24] for problem in suite.problems] == [
        "metadata.jsonl:1 names n", "'../../x.png' leads out ",
    ]  # fmt: skip
