from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_suite import items

from benchmarks.suites.item import SuiteError, checked_suite, first_of_each_kind


def test_a_suite_does_not_depend_on_the_order_in_which_it_came():
    ordered = [item.sample_id for item in checked_suite(items())]
    assert [item.sample_id for item in checked_suite(items()[::-1])] == ordered


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([], "The suite is empty"),
        ([items()[0], items()[0]], "more than once: darken-0"),
        ([replace(items()[0], sources=())], r"darken-0 \(darken\) has no source"),
        ([replace(items()[0], truth=np.zeros((32, 32, 3)))], r"truth must be .* found float64"),
        (
            [replace(items()[0], sources=(np.zeros((8, 8), np.uint8),))],
            r"source 0 must be .* found uint8 \(8, 8\)",
        ),
        ([replace(items()[0], truth=np.zeros((16, 16, 3), np.uint8))], "They must be equal"),
    ],
)
def test_a_suite_that_cannot_be_scored_names_the_item(broken, message):
    with pytest.raises(SuiteError, match=message):
        checked_suite(broken)


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
