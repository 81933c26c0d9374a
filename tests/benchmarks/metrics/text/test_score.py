"""The text metric as a function: what a page says against what it should say."""

import string
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rapidfuzz.distance import Indel

from benchmarks.metrics.text.normal import is_letter, normal, words
from benchmarks.metrics.text.score import CASE_WEIGHT, TextWeights, residual, score_text
from benchmarks.metrics.text.window import best_window, without

HAN = "春风化雨润无声匠心独运展宏图，。！"
TEXTS = st.text(string.ascii_letters + string.digits + " .,!?-'&" + HAN, min_size=1, max_size=24)
ANY_TEXT = st.text(max_size=24)
WORDS = ["Python", "2nd", "Edition", "春风化雨", "400-1234", "WHY?", "限时优惠"]
PAGES = st.lists(TEXTS, max_size=5)
ELSEWHERE = st.lists(st.text("ЖЩ ЫЮЭ  ", min_size=1, max_size=16), min_size=1, max_size=4)


def visible(text: str) -> str:
    assume(normal(text))
    return text


@given(st.lists(ANY_TEXT, max_size=5), ANY_TEXT)
def test_every_part_is_from_0_to_1_whatever_was_read(lines, target):
    found = score_text(lines, visible(target))
    assert all(0 <= part <= 1 for part in (found.score, found.levenshtein, found.completion, found.words))
    assert 0 <= residual(lines, target) <= 1


@given(TEXTS)
def test_a_text_that_is_there_scores_1(target):
    assert score_text([visible(target)], target).score == pytest.approx(1)


@given(
    st.lists(st.sampled_from(["2nd", "Edition", "三月", "WHY?", "6.18", "O'Neil"]), min_size=1, max_size=6)
)
def test_a_text_broken_into_lines_between_words_scores_1(parts):
    assert score_text(parts, " ".join(parts)).score == pytest.approx(1)


@given(PAGES, TEXTS, ELSEWHERE, st.data())
def test_other_text_in_the_scene_changes_nothing(lines, target, others, data):
    visible(target)
    page = list(lines)
    for other in others:
        page.insert(data.draw(st.integers(0, len(page))), other)
    with_it, alone = score_text(page, target), score_text(lines, target)
    assert with_it == alone


@given(TEXTS, ELSEWHERE, ELSEWHERE)
def test_a_right_text_stays_right_whatever_stands_around_it(target, before, after):
    assert score_text([*before, visible(target), *after], target).score == pytest.approx(1)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5, unique=True), st.sampled_from(["", " "]))
def test_the_more_of_the_end_is_missing_the_lower_the_score(parts, glue):
    # None of these words begins another one: of "inn" and "in", the second is right in a cut first one.
    target = glue.join(parts)
    scores = [score_text([target[:length]], target).score for length in range(len(target), -1, -1)]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(scores))


@given(TEXTS, st.data())
def test_edits_and_completion_never_gain_by_a_missing_sign(target, data):
    written = normal(visible(target))
    kept = sorted(data.draw(st.sets(st.integers(0, len(written) - 1), min_size=1)))
    before = "".join(written[place] for place in kept)
    less = data.draw(st.integers(0, len(before) - 1))
    after = before[:less] + before[less + 1 :]
    more, fewer = score_text([before], target), score_text([after], target)
    assert fewer.levenshtein <= more.levenshtein + 1e-9
    assert fewer.completion <= more.completion + 1e-9


@given(st.lists(st.text("ab c", min_size=1, max_size=6), max_size=4), st.text("ab c", min_size=1, max_size=7))
def test_the_window_is_the_best_of_all(lines, target):
    lines = [line for line in map(normal, lines) if line]
    wanted = normal(visible(target))
    found = Indel.distance(best_window(lines, wanted).text, wanted)
    assert found == min([len(wanted), *(Indel.distance(text, wanted) for text in all_windows(lines))])


def all_windows(lines):
    """Yields every text that a window may be, by its definition and nothing else."""

    def inside(line, at):
        return 0 < at < len(line) and is_letter(line[at - 1]) and is_letter(line[at])

    def ends(line):
        return [at for at in range(1, len(line) + 1) if line[at - 1] != " " and not inside(line, at)]

    def going_on(text, first):
        for number in range(first, len(lines)):
            for glue in ("", " "):
                yield from (text + glue + lines[number][:end] for end in ends(lines[number]))
                yield from going_on(text + glue + lines[number], number + 1)

    for number, line in enumerate(lines):
        for start in range(len(line)):
            if line[start] != " " and not inside(line, start):
                yield from (line[start:end] for end in ends(line) if end > start)
                yield from going_on(line[start:], number + 1)


def test_a_longer_word_is_not_the_word():
    assert score_text(["PLANES"], "PLANE").words == 0
    assert score_text(["PLANES"], "PLANE").score < 0.7
    assert score_text(["PLANE."], "PLANE").score == 1


@pytest.mark.parametrize("read", ["DRAGON BOAT FESTIVAL", "dragon boat festival", "dRAGON bOAT fESTIVAL"])
def test_wrong_case_costs_its_own_small_weight_and_nothing_else(read):
    found = score_text([read], "Dragon Boat Festival")
    assert (found.levenshtein, found.completion, found.words) == (1, 1, 1)
    assert found.case < 1
    assert 1 - CASE_WEIGHT <= found.score < 1
    assert found.score == pytest.approx(1 - CASE_WEIGHT * (1 - found.case))


def test_of_two_places_the_one_in_the_right_case_counts():
    assert score_text(["SALE", "Sale", "sale"], "Sale").score == 1


def test_letters_whose_small_form_is_longer_keep_their_places():
    assert score_text(["İSTANBUL 2024"], "İstanbul 2024").words == 1


def test_width_and_kinds_of_quotes_do_not_count():
    assert score_text(["ＡＢＣ１２ “don’t”"], 'ABC12 "don\'t"').score == 1
    assert score_text(["价格￥５"], "价格¥5").score == 1


def test_spaces_beside_chinese_do_not_count_and_one_between_words_does():
    assert score_text(["限时优惠·今日 截止"], "限时优惠 · 今日截止").score == 1
    assert 0.9 < score_text(["2ndEdition"], "2nd Edition").score < 1


def test_one_wrong_sign_costs_a_whole_word():
    found = score_text(["2nd Editlon"], "2nd Edition")
    assert found.words == 0.5
    assert found.completion == pytest.approx(10 / 11)
    assert found.levenshtein == pytest.approx(10 / 11)
    assert found.score == pytest.approx(0.7 * 10 / 11 + 0.15)


def test_each_of_several_texts_needs_a_place_of_its_own():
    assert score_text(["A", "B"], ["A", "B"]).score == 1
    assert score_text(["电话亭"], ["电话亭", "电话亭"]).score == pytest.approx(0.5)
    assert score_text(["电话亭 x 电话亭"], ["电话亭", "电话亭"]).score == 1


def test_several_texts_count_by_their_length():
    assert score_text(["TERRY"], ["TERRY", "26"]).score == pytest.approx(5 / 7)


def test_chinese_words_are_pairs_of_signs_and_others_stand_between_spaces():
    assert words(normal("Deadline是第一生产力")) == ["Deadline", "是第", "第一", "一生", "生产", "产力"]
    assert words(normal("(WHY?) 400-1234 O’Reilly, 寿")) == ["WHY", "400-1234", "O'Reilly", "寿"]
    assert words(normal("?!")) == ["?!"]


def test_what_is_taken_by_one_text_is_gone_for_the_next():
    window = best_window(["buy one now", "one"], "one")
    assert without(["buy one now", "one"], window) == ["buy", "now", "one"]


def test_residual_is_1_while_a_text_is_there_and_0_for_likeness_by_chance():
    assert residual(["OPEN", "CLOSED"], "OPEN") == 1
    assert residual(["CLOSED"], "OPEN") == 0
    assert residual([], "OPEN") == 0
    assert 0 < residual(["TELEPHON"], "TELEPHONE") < 1


@pytest.mark.parametrize("target", ["", "   ", "\u200b", [], ["a", ""]])
def test_a_target_without_a_visible_sign_is_refused(target):
    with pytest.raises(ValueError, match="sign that can be seen"):
        score_text(["a"], target)


def test_weights_are_those_that_the_score_says():
    weights = TextWeights(levenshtein=0.0, completion=1.0, words=0.0)
    found = score_text(["2nd Edit"], "2nd Edition", weights)
    assert found.score == found.completion == pytest.approx(8 / 11)
    assert found.record()["weights"] == {"levenshtein": 0.0, "completion": 1.0, "words": 0.0}
    with pytest.raises(ValueError, match="add up to 1"):
        TextWeights(levenshtein=0.5, completion=0.5, words=0.5)
