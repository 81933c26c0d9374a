"""What KRIS-Bench asks, and what its replies amount to in either view."""

import polars as pl
import pytest
from readings import OFFICIAL, REFUSED, STRICT, ok, values
from toy_bench import item

from benchmarks.parsing.reading import State
from benchmarks.protocols.kris import GROUPS, kris, kris_rubric
from benchmarks.scoring.aggregate import RULES, Scored, aggregate
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.table import score_row, score_table
from benchmarks.suites.item import picture_of_pixels
from models.vlm.messages import Show

REFERENCE = picture_of_pixels("reference", item().sources[0].pixels())

KRIS_PROMPTS = {
    f"prompt_{name}": f"{name} {{instruct}} {{explanation}} {{N}}"
    for name in (
        "consist", "instruction_following", "dual_evaluation", "quality", "abnormal_instruction_following",
        "consist_multi", "instruction_multi", "consist_temporal", "instruction_temporal",
        "view_instruction_following",
    )
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "category", "expected"),
    [
        ("attribute perception", "color_change", ["consistency", "instruction", "quality"]),
        ("attribute perception", "anomaly_correction", ["consistency", "instruction", "quality"]),
        ("natural science", "biology", ["consistency", "dual", "quality"]),
    ],
)
def test_kris_bench_asks_for_knowledge_where_it_is_judged(kind, category, expected):
    one = item(kind=kind, category=category, facts={"explain": "Because."})
    asked = kris(KRIS_PROMPTS).questions(one)
    assert [question.name for question in asked] == expected
    assert asked[-1].roles() == ("output",)
    if category == "anomaly_correction":
        assert asked[1].parts[0].text.startswith("abnormal_instruction_following")
    if expected[1] == "dual":
        assert asked[1].labels == ("instruction", "knowledge")
        assert "Because." in asked[1].parts[0].text


def kris_parts(**changes):
    """What the first two questions about an item say and show, in order."""
    asked = kris(KRIS_PROMPTS).questions(item(**changes))
    return [
        [part.role if isinstance(part, Show) else part.text for part in question.parts]
        for question in asked[:2]
    ]


def test_kris_bench_shows_every_source_of_a_composition_and_frames_in_their_order():
    sources = tuple(picture_of_pixels(str(n), item(str(n)).sources[0].pixels()) for n in range(3))
    (consist, _) = kris_parts(category="multi-element_composition", sources=sources)
    assert consist[0].startswith("consist_multi Edit 1")
    assert consist[1:] == [
        "Reference Image 1:", "source", "Reference Image 2:", "source2", "Reference Image 3:", "source3",
        "Predicted Image:", "output",
    ]  # fmt: skip
    (consist, follow) = kris_parts(
        category="temporal_prediction",
        kind="temporal perception",
        sources=sources,
        facts={"frames": "4 1 2/3"},
    )
    assert consist[0].endswith(" 3")
    assert follow[0].startswith("instruction_temporal")
    assert consist[1:] == follow[1:] == [
        "Frame 1 (Reference):", "source2", "Frame 2 (Reference):", "source3",
        "Frame 3 (Generated):", "output", "Frame 4 (Reference):", "source",
    ]  # fmt: skip


def test_kris_bench_shows_the_truth_of_a_viewpoint_where_the_instruction_is_judged():
    (consist, follow) = kris_parts(category="viewpoint_change", kind="spatial perception", truth=REFERENCE)
    assert "reference" not in consist
    assert follow[0].startswith("view_instruction_following")
    assert follow[-2:] == ["This is the ground truth image:", "reference"]


def test_kris_bench_pools_every_score_of_every_sample():
    protocol = kris(KRIS_PROMPTS)
    few = item("a", kind="attribute perception", category="color_change")
    many = item("b", kind="natural science", category="biology")
    readings = {
        "a": {"consistency": ok(5), "instruction": ok(3), "quality": ok(4)},
        "b": {"consistency": ok(1), "dual": ok(2, 3), "quality": ok(5)},
    }
    rows = []
    for one in (few, many):
        for measure, reading in protocol.combine(one, readings[one.sample_id], OFFICIAL).items():
            rows.append(score_row("m", one, measure, view=OFFICIAL, repeat=0, reading=reading))
    figures, _ = summarise(score_table(rows), protocol.metrics, seed=0, bootstraps=50)
    by_measure = dict(figures.select("measure", "value").iter_rows())
    assert by_measure["score"] == pytest.approx(25 * (sum((5, 3, 4, 1, 2, 3, 5)) / 7 - 1))
    assert by_measure["knowledge"] == pytest.approx(50.0)
    assert by_measure["quality"] == pytest.approx(25 * (4.5 - 1))


def test_a_kris_sample_without_all_of_its_scores_has_no_pooled_one():
    protocol = kris(KRIS_PROMPTS)
    one = item(kind="natural science", category="biology")
    found = protocol.combine(one, {"consistency": ok(5), "dual": REFUSED, "quality": ok(4)}, STRICT)
    assert found["score"].state is State.PARSE_FAILED
    assert "2 of 4 dimensions" in found["score"].note
    assert found["knowledge"].state is State.REFUSED
    assert found["quality"].scores == (75.0,)


def test_officially_kris_pools_the_scores_that_are_there_and_the_worst_case_fills_up_the_rest():
    protocol = kris(KRIS_PROMPTS)
    few = {"kind": "attribute perception", "category": "color_change"}
    many = {"kind": "natural science", "category": "biology"}
    whole = {"consistency": ok(5), "instruction": ok(5), "quality": ok(5)}
    samples = [
        (item("a", **few), whole),
        (item("b", **few), dict.fromkeys(whole, REFUSED)),
        (item("c", **many), {"consistency": ok(5), "dual": REFUSED, "quality": ok(3)}),
        (item("d", **many), {"consistency": ok(1), "dual": ok(1, 1), "quality": ok(1)}),
    ]
    rows = [
        score_row("m", one, "score", view=view, repeat=0,
                  reading=protocol.combine(one, readings, view)["score"])
        for view in (OFFICIAL, STRICT) for one, readings in samples
    ]  # fmt: skip
    figures, _ = summarise(score_table(rows), protocol.metrics[:1], seed=0, bootstraps=50)
    official, strict = (
        figures.row(by_predicate=pl.col("view") == view, named=True) for view in (OFFICIAL, STRICT)
    )
    assert official["value"] == pytest.approx((3 * 100 + 100 + 50) / 9)
    assert official["missing_as_worst"] == pytest.approx((3 * 100 + 100 + 50) / (3 + 3 + 4 + 4))
    assert strict["value"] == pytest.approx(3 * 100 / 7)
    assert strict["missing_as_worst"] == pytest.approx(3 * 100 / 14)


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ('{"consistency_score": 4, "reasoning": "so"}', 4, 4),
        ('so\n```json\n{"consistency_score": "4"}\n```', 4, None),
        ('{"consistency_score": 4.7}', 4, None),
        ('{"consistency_score": 9}', 9, None),
        ('{"consistency_score": null} consistency score: 3', 3, None),
        ("Consistency_Score：2, since it moved", 2, None),
        ("consistency score 5", 5, None),
        ("I give it 3 / 5.", 3, None),
        ("It is 4 out of 5.", 4, None),
        ("The 2 dogs are gone.", None, None),  # the script takes 2
        ("{" * 9 + '"consistency_score": 1', None, None),
    ],
)
def test_kris_replies_are_read_as_the_script_reads_them_but_nothing_is_guessed(reply, official, strict):
    protocol = kris(KRIS_PROMPTS)
    question = protocol.questions(item(category="color_change"))[0]
    for view, expected in ((OFFICIAL, official), (STRICT, strict)):
        assert protocol.read[view](question, reply, 1).scores == (() if expected is None else (expected,))


def test_one_of_two_kris_scores_is_kept_officially():
    protocol = kris(KRIS_PROMPTS)
    one = item(kind="natural science", category="biology")
    dual = protocol.questions(one)[1]
    reading = protocol.read[OFFICIAL](dual, "Instruction score: 4. Knowledge: no idea.", 1)
    found = protocol.combine(one, {"consistency": ok(5), "dual": reading, "quality": ok(4)}, OFFICIAL)
    assert found["instruction"].scores == (75.0,)
    assert found["knowledge"].state is State.PARSE_FAILED
    assert found["score"].scores == (100.0, 75.0, 75.0)
    assert "no score for knowledge" in found["score"].note
    refused = protocol.read[OFFICIAL](dual, "I'm sorry, but I can't help with that.", 1)
    assert refused.state is State.REFUSED


def test_the_reconstructed_rule_of_kris_gives_pooled_means_by_group_size():
    # Levels pool samples, so a group of 275 weighs more than one of 74: brief, groups of KRIS-Bench.
    samples = [Scored("large", (100.0,))] * 275 + [Scored("small", (0.0,))] * 74
    assert aggregate(samples, RULES["kris"]).overall == pytest.approx(27500 / 349)
    assert sum(len(folders) for folders in GROUPS.values()) == 20


def test_our_rubric_for_kris_asks_for_knowledge_in_its_groups_only():
    protocol = kris_rubric()
    plain, knowing = item(kind="spatial perception"), item(kind="social science", facts={"explain": "So."})
    assert len(protocol.questions(plain)[0].labels) == 3
    (question,) = protocol.questions(knowing)
    assert len(question.labels) == 4
    assert "Explanation of the right result: So." in question.parts[0].text
    assert values(protocol, knowing, {"rubric": ok(1, 2, 3, 5)})["score"] == (0.0, 25.0, 50.0, 100.0)
    assert set(values(protocol, plain, {"rubric": REFUSED}).values()) == {State.REFUSED}
