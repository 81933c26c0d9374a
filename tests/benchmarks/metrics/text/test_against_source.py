"""Edits of text against their source: nothing done scores 0, what was asked for scores 1."""

import json
from dataclasses import replace

import pytest

from benchmarks.metrics.text.against_source import edit_score, gone_score
from benchmarks.metrics.text.command import proposals
from benchmarks.metrics.text.extract import propose
from benchmarks.metrics.text.page import Page
from benchmarks.metrics.text.score import DEFAULT_WEIGHTS
from benchmarks.metrics.text.targets import TextTarget
from benchmarks.parsing.reading import Reading, State
from benchmarks.suites.catalogue import load_suite

LINE = 20


def page(*texts: str, left: float = 10, top: float = 10, height: float = LINE, size=(400, 200)) -> Page:
    """Returns lines one below the other, letters half as wide as they are high."""
    read = []
    for number, text in enumerate(texts):
        low, right = top + 2 * LINE * number, left + len(text) * height / 2
        read.append(
            {
                "text": text,
                "corners": [[left, low], [right, low], [right, low + height], [left, low + height]],
            }
        )
    return Page(read, size)


def score(instruction: str, source: Page, output: Page):
    return edit_score(propose("1", instruction, "en"), instruction, source, output, DEFAULT_WEIGHTS)


def gone(old, new, source, output):
    op = "replace" if new else "delete"
    target = TextTarget("1", op, old=tuple(old), new=tuple(new))
    return gone_score(target, source, output, DEFAULT_WEIGHTS)


# old, new, source: what stands in the image
REPLACED = [
    (["TRAIN"], ["PLANE"], ["TRAIN"]),
    (["11.18-11.21"], ["6.18-6.21"], ["11.18-11.21"]),
    (["2023 Travel Goals"], ["2024 Travel Goals"], ["2023 Travel Goals"]),
    (["2023 Travel Goals"], ["2024 Travel Goals"], ["2023 Trave1 Goals"]),  # as it is misread
    (["Sale"], ["Summer Sale"], ["Sale", "Shop"]),
    (["Sale 50%"], ["Sale"], ["Sale 50%"]),
    (["SUMMERS"], ["SUMMER"], ["SUMMERS"]),
    (["DELIVERY SERVICE"], ["物流服务"], ["DELIVERY", "SERVICE"]),
    (["春天"], ["春天来了"], ["春天"]),
    (["Hello"], ["HELLO"], ["Hello"]),
    (["A", "B"], ["B", "A"], ["A x B"]),
    (["cat"], ["cat and dog"], ["the cat sat", "dog"]),
    (["Sale"], [], ["Sale"]),
    (["OPEN", "DAILY"], [], ["OPEN DAILY"]),
]


@pytest.mark.parametrize(("old", "new", "lines"), REPLACED)
def test_an_unedited_image_is_never_gone(old, new, lines):
    assert gone(old, new, lines, lines) == 0


@pytest.mark.parametrize(
    ("old", "new", "lines"), [one for one in REPLACED if one[1] and set(one[0]) != set(one[1])]
)
def test_a_text_that_gave_way_to_the_new_one_is_gone(old, new, lines):
    output = [line for line in lines if line in ("Shop", "dog")] + new
    assert gone(old, new, lines, output) == pytest.approx(1)


def test_half_of_the_texts_is_half_gone():
    assert gone(["OPEN", "SHUT"], [], ["OPEN", "SHUT"], ["OPEN"]) == pytest.approx(0.5)


def test_of_a_text_in_several_places_one_has_to_go():
    assert gone(["SALE"], [], ["SALE", "SALE"], ["SALE"]) == 1
    assert gone(["SALE"], [], ["SALE", "SALE"], ["SALE", "SALE"]) == 0


def test_what_cannot_be_read_in_the_source_cannot_be_seen_to_go():
    reading = gone(["OPEN"], [], ["Cafe"], ["Cafe"])
    assert isinstance(reading, Reading)
    assert reading.state is State.UNMEASURED
    assert "cannot be read in the source" in reading.note


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_unedited_replacement_or_removal_of_a_real_benchmark_is_gone(shared_data, lang):
    suite = load_suite("rededit", data=shared_data("bench/rededit"), images=None, lang=lang)
    targets = [target for target in proposals(suite) if target.op in ("replace", "delete") and target.old]
    assert len(targets) >= 65
    for target in targets:
        assert gone_score(target, target.old, target.old, DEFAULT_WEIGHTS) == 0


@pytest.mark.parametrize(
    ("instruction", "source", "output"),
    [
        ("Change '11.18-11.21' to '6.18-6.21'", ["11.18-11.21"], ["6.18-6.21"]),
        ("Change 'one long sentence of 9 words' to 'one long sentence of 8 words'",
         ["one long sentence of 9 words"], ["one long sentence of 8 words"]),
        ("Add 'BREAD' below 'BEER'", ["BEER", "BREWED DAILY"], ["BEER", "BREAD", "BREWED DAILY"]),
        ("Delete 'BEER'", ["BEER", "BREAD"], ["BREAD"]),
        ("Change 'hello' to uppercase", ["hello"], ["HELLO"]),
    ],
)  # fmt: skip
def test_doing_nothing_scores_0_and_what_was_asked_for_1(instruction, source, output):
    before, after = page(*source), page(*output)
    assert score(instruction, before, before) == 0
    assert score(instruction, before, after) == pytest.approx(1)


def test_capitals_cost_little():
    source = page("flower")
    assert 0.9 <= score("Change 'flower' to 'sun'", source, page("SUN")) < 1


@pytest.mark.parametrize(
    ("instruction", "lines", "reason"),
    [
        ("Change the color of 'SALE' to red", ["SALE"], "does not see colour"),
        ("Make 'SALE' bold", ["SALE"], "does not see colour"),
        ("Rotate 'SALE' by 30 degrees and move it", ["SALE"], "does not see colour"),
        ("将“促销”改成绿色", ["促销"], "does not see colour"),
        ("Add 'SALE' at the bottom", ["Sale", "now"], "in the source already"),
        ("Change 'x' to 'SALE'", ["x", "SALE"], "in the source already"),
        ("Move 'SALE' to the left", ["nothing"], "cannot be read in the source"),
        ("Delete 'SALE'", ["nothing"], "cannot be read in the source"),
        ("Change 'SALE now' to 'SALE'", ["SALE now"], "hardly tell"),
    ],
)
def test_what_ocr_cannot_decide_is_unmeasured_with_the_reason_whatever_the_output_is(
    instruction, lines, reason
):
    source = page(*lines)
    for output in (source, page("SALE", "else"), page()):
        reading = score(instruction, source, output)
        assert isinstance(reading, Reading)
        assert (reading.state, reason in reading.note) == (State.UNMEASURED, True)


def test_a_text_that_should_move_has_to_move_and_stay_readable():
    source = page("Blackrock", "photo")
    ask = "Move 'Blackrock' above the logo, keeping its font and color"
    assert score(ask, source, source) == 0
    assert score(ask, source, page("Blackrock", "photo", left=13, top=12)) == 0  # less than half a line
    assert score(ask, source, page("photo", "Blackrock")) == 1
    assert score(ask, source, page("photo", "Blackrack")) < 0.7
    assert score(ask, source, page("photo")) == 0
    doubled = page("Blackrock", "photo", left=20, top=20, height=2 * LINE, size=(800, 400))
    assert score(ask, source, doubled) == 0  # the same image at twice the size


@pytest.mark.parametrize(
    ("instruction", "growth"),
    [
        ("Enlarge 'title'", 1.2), ("Make the font size of 'title' larger", 1.2),
        ("scale 'title' to 110%", 1.1),
        ("Make 'title' a bit smaller", 0.8), ("将“title”放大", 1.2), ("Scale 'title' to 80%", 0.8),
    ],
)  # fmt: skip
def test_a_text_that_should_change_its_size_has_to_do_so_in_that_direction(instruction, growth):
    source = page("title")
    assert score(instruction, source, source) == 0
    assert score(instruction, source, page("title", height=LINE * growth)) == 1
    assert score(instruction, source, page("title", height=LINE / growth)) == 0


def test_real_edits_are_proposed_as_what_can_be_measured(shared_data):
    rows = [json.loads(line) for line in shared_data("pairs/pairs.jsonl").read_text().splitlines()]
    targets = [(row, propose(row["id"], row["instruction"], "en")) for row in rows]
    named = [(row, target) for row, target in targets if target.wanted]
    source = page("nothing that is asked for")
    styled = [
        edit_score(replace(target, keep=("nothing",)), row["instruction"], source, source, DEFAULT_WEIGHTS)
        for row, target in named
        if target.op == "style"
    ]
    assert sum(isinstance(one, Reading) for one in styled) / len(named) < 0.3
