"""The store of replies: nothing is lost, nothing is read twice, nobody else writes to it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.vlm.replies import Replies, RepliesBusyError, RepliesError, read_records

REPOSITORY = Path(__file__).parents[3]


def record(key: str, state: str = "ok", **more) -> dict:
    return {"key": key, "state": state, "reply": f"Reply to {key}: 评分", **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "replies.jsonl"


def test_what_was_stored_is_found_again_after_closing(path):
    store = Replies(path)
    store.append(record("a"))
    store.append(record("b", "refused"))
    store.close()
    again = Replies(path)
    assert again.get("a") == record("a")
    assert [again.answered(key) for key in "abc"] == [True, True, False]
    assert again.get("c") is None
    again.close()


@pytest.mark.parametrize("state", ["api_failed", "cut_off"])
def test_what_failed_or_was_cut_off_is_not_answered_and_the_newest_record_counts(path, state):
    store = Replies(path)
    store.append(record("a", state))
    assert not store.answered("a")
    store.append(record("a", reply="later"))
    assert store.answered("a")
    assert store.get("a")["reply"] == "later"
    store.close()
    assert [one["state"] for one in read_records(path)] == [state, "ok"]  # nothing is overwritten


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_that_was_cut_short_is_removed_and_the_rest_is_kept(path, cut):
    store = Replies(path)
    for key in "abc":
        store.append(record(key))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = Replies(path)
    assert [again.answered(key) for key in "abc"] == [True, True, False]
    again.append(record("d"))
    again.close()
    assert [one["key"] for one in read_records(path)] == ["a", "b", "d"]


def test_a_file_that_was_edited_says_where(path):
    store = Replies(path)
    store.append(record("a"))
    store.close()
    place = path.stat().st_size
    with path.open("a") as stream:
        stream.write('{"key": 5, "state": "ok"}\n' + json.dumps(record("b")) + "\n")
    for read in (Replies, lambda file: list(read_records(file))):
        with pytest.raises(RepliesError, match=f"no stored reply at byte {place}"):
            read(path)


@pytest.mark.parametrize("line", ["[]", "{", '{"key": "a"}', '{"key": "a", "state": "wonderful"}'])
def test_a_line_that_is_no_reply_is_told(path, line):
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    with pytest.raises(RepliesError, match="no stored reply"):
        Replies(path)


def test_two_processes_do_not_write_to_one_file(path):
    store = Replies(path)
    imports = "from models.vlm.replies import Replies; from pathlib import Path"
    code = f"{imports}; Replies(Path({str(path)!r}))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "RepliesBusyError" in other.stderr
    with pytest.raises(RepliesBusyError, match="Another run writes to"):
        Replies(path)
    store.close()
    Replies(path).close()
