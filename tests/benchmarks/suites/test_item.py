from dataclasses import replace

import numpy as np
import pytest
import toy_bench
from hypothesis import given
from hypothesis import strategies as st
from toy_bench import rededit
from toy_suite import items

from benchmarks.suites import item as item_module
from benchmarks.suites.catalogue import load_suite
from benchmarks.suites.item import (
    MissingPictureError,
    SuiteError,
    checked_suite,
    first_of_each_kind,
    known_truth,
    picture_of_file,
    picture_of_pixels,
)
from benchmarks.suites.suite import picture_below


def test_a_suite_does_not_depend_on_the_order_in_which_it_came():
    ordered = [item.sample_id for item in checked_suite(items())]
    assert [item.sample_id for item in checked_suite(items()[::-1])] == ordered


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([], "The suite is empty"),
        ([items()[0], items()[0]], "more than once: darken-0"),
        ([replace(items()[0], sources=())], r"darken-0 \(darken\) has no source"),
    ],
)
def test_a_suite_that_cannot_be_scored_names_the_item(broken, message):
    with pytest.raises(SuiteError, match=message):
        checked_suite(broken)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (None, "no known truth"),
        (picture_of_pixels("truth", np.zeros((16, 16, 3), np.uint8)), "They must be equal"),
    ],
)
def test_an_item_without_a_comparable_truth_is_not_scored_against_one(truth, message):
    with pytest.raises(SuiteError, match=message):
        known_truth(replace(items()[0], truth=truth))


def test_a_missing_or_huge_file_says_where_it_was_looked_for(tmp_path, monkeypatch):
    with pytest.raises(MissingPictureError, match=r"nowhere\.png cannot be read: No such file"):
        picture_of_file(tmp_path / "nowhere.png").read()
    (tmp_path / "huge.png").write_bytes(b"x" * 11)
    monkeypatch.setattr(item_module, "MAX_BYTES", 10)
    with pytest.raises(MissingPictureError, match="no picture"):
        picture_of_file(tmp_path / "huge.png").read()


@given(
    st.dictionaries(st.text("0123456789abcdef", min_size=4, max_size=4), st.sampled_from("abc"), max_size=40),
    st.integers(1, 5),
)
def test_every_kind_gives_as_many_samples_as_it_has_up_to_the_limit(kinds, limit):
    chosen = first_of_each_kind(kinds, limit)
    assert chosen == sorted(set(chosen))
    for kind in "abc":
        have = sum(1 for value in kinds.values() if value == kind)
        assert sum(1 for sample_id in chosen if kinds[sample_id] == kind) == min(limit, have)


def test_adding_samples_never_trades_one_chosen_sample_for_a_later_one():
    few = first_of_each_kind({"b": "x", "d": "x"}, 1)
    assert few == ["b"]
    assert first_of_each_kind({"b": "x", "d": "x", "c": "x"}, 1) == few


def test_a_row_with_half_a_sign_is_a_problem_of_that_row(tmp_path):
    rededit(tmp_path, 3)
    lines = (tmp_path / "redbench.jsonl").read_text().splitlines()
    lines[1] = lines[1].replace("Edit <number> 2", "Edit \\ud83d")
    (tmp_path / "redbench.jsonl").write_text("\n".join(lines))
    suite = load_suite("rededit", data=tmp_path, images=None, lang="en")
    assert {item.sample_id for item in suite.items} == {"1", "3"}
    assert suite.problems == (
        "redbench.jsonl:2: a_to_b_instructions_eng contains an unpaired surrogate: 'Edit \\ud83d'.",
    )


def test_names_that_no_file_can_have_are_missing_pictures_and_refused_samples(tmp_path):
    with pytest.raises(MissingPictureError, match="File name too long"):
        picture_below(tmp_path, "a" * 300 + ".png").read()
    with pytest.raises(SuiteError, match="over 230 bytes"):
        toy_bench.item("a" * 300)


@pytest.mark.parametrize(
    "changes", [{"instruction": "\ud83d"}, {"facts": {"explain": "\udc00"}}, {"output": "a\ud83d"}]
)
def test_no_item_holds_what_cannot_be_stored(changes):
    with pytest.raises(SuiteError):
        toy_bench.item(**changes)
