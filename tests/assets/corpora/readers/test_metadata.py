import csv
import io
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.corpora.readers.files import list_files
from assets.corpora.readers.metadata import json_rows, read_metadata


def metadata(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return read_metadata(str(folder), list_files(str(folder))[0])


def lines(*rows) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def table(*rows) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def parquet(*rows) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(rows).write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("suffix", "write"), [("jsonl", lines), ("csv", table), ("parquet", parquet)])
def test_a_metadata_file_of_any_format_and_folder_names_files_of_its_own_folder(tmp_path, suffix, write):
    text = 'a "cat", on\na mat — 猫'
    rows, broken = metadata(
        tmp_path, {f"train/cats/metadata.{suffix}": write({"file_name": "a.png", "text": text})}
    )
    assert broken == []
    (row,) = rows
    assert row.values["text"] == text
    assert row.path("a.png") == "train/cats/a.png"
    assert row.path("../b.png") == "train/b.png"
    assert row.path("../../../etc/passwd") is None
    assert row.path("/etc/passwd") is None


def test_rows_of_a_deeper_folder_come_last_and_so_win(tmp_path):
    files = {
        "a/metadata.jsonl": lines({"file_name": "x.png", "text": "near"}),
        "metadata.jsonl": lines({"file_name": "a/x.png", "text": "far"}),
    }
    rows, _ = metadata(tmp_path, files)
    assert [row.values["text"] for row in rows] == ["far", "near"]


@pytest.mark.parametrize("line", ["{", '"text"', "[1]", "null", "[" * 100_000])
def test_a_broken_line_costs_itself_and_is_named_with_its_number(tmp_path, line):
    text = "\n".join(['{"file_name": "ok.png"}', line, '{"file_name": "also.png"}', ""])
    rows, broken = metadata(tmp_path, {"metadata.jsonl": text.encode()})
    assert [row.values["file_name"] for row in rows] == ["ok.png", "also.png"]
    assert [one.where for one in broken] == ["metadata.jsonl:2"]
    assert broken[0].reason


@pytest.mark.parametrize("data", [b"PAR1 broken", b""])
def test_a_broken_file_costs_its_own_rows(tmp_path, data):
    files = {"a/metadata.parquet": data, "b/metadata.jsonl": lines({"file_name": "x.png"})}
    rows, broken = metadata(tmp_path, files)
    assert [row.folder for row in rows] == ["b"]
    assert [one.where for one in broken] == ["a/metadata.parquet"]


def test_a_row_with_more_values_than_columns_is_left_out(tmp_path):
    rows, broken = metadata(tmp_path, {"metadata.csv": b"file_name,text\na.png,one\nb.png,two,three\n"})
    assert [row.values for row in rows] == [{"file_name": "a.png", "text": "one"}]
    assert [one.where for one in broken] == ["metadata.csv:3"]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_a_text_may_hold_any_other_line_separator(tmp_path, separator):
    text = f"a cat{separator}on a mat"
    line = json.dumps({"file_name": "a.png", "text": text}, ensure_ascii=False)
    rows, broken = metadata(tmp_path, {"metadata.jsonl": f"\ufeff{line}\r\n\r\n".encode()})
    assert broken == []
    assert rows[0].values["text"] == text


@given(st.text())
def test_any_line_is_values_or_has_a_reason(line):
    for where, values in json_rows("metadata.jsonl", line.encode("utf-8", "replace")):
        assert where.startswith("metadata.jsonl:")
        assert isinstance(values, dict) or values
