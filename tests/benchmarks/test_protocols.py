"""What each benchmark asks, and what its replies amount to in either view."""

import json

import polars as pl
import pytest
import toy_bench
from toy_bench import GEDIT_PARTS, item

from benchmarks.aggregate import RULES, Scored, aggregate
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.alignment import alignment
from benchmarks.protocols.five_points import imgedit, rededit
from benchmarks.protocols.gedit import gedit
from benchmarks.protocols.kris import GROUPS, kris, kris_rubric
from benchmarks.protocols.protocol import VIEWS, Say, Show
from benchmarks.protocols.rise import rise, rise_rubric
from benchmarks.protocols.templates import fill
from benchmarks.protocols.textedit import textedit, textedit_rubric
from benchmarks.scores import score_row, score_table
from benchmarks.suites.item import SuiteError, picture_of_pixels
from benchmarks.summary import summarise

REFUSED = Reading(State.REFUSED)
OFFICIAL, STRICT = VIEWS


def ok(*scores: float) -> Reading:
    return Reading(State.OK, tuple(map(float, scores)))


def values(protocol, one, readings, view=STRICT):
    found = protocol.combine(one, readings, view)
    return {
        name: reading.scores if reading.state is State.OK else reading.state
        for name, reading in found.items()
    }


def roles(question):
    return [part.role if isinstance(part, Show) else "words" for part in question.parts]


def test_strict_reads_labels_and_caps_where_official_counts_every_number():
    protocol = rededit({"add": toy_bench.prompt("add")})
    (question,) = protocol.questions(item())
    reply = "Brief reasoning: 3\n" + "\n".join(
        f"{label}: {score}" for label, score in zip(toy_bench.LABELS, (2, 5, 1), strict=True)
    )
    assert protocol.read[OFFICIAL](question, reply, 1).scores == (3, 2, 5, 1)
    assert protocol.read[STRICT](question, reply, 1).scores == (2, 2, 1)


def test_imgedit_and_rededit_differ_in_order_transport_and_a_space():
    prompts = {"add": toy_bench.prompt("add")}
    (ours,), (theirs,) = rededit(prompts).questions(item()), imgedit(prompts).questions(item())
    assert roles(ours) == ["source", "words", "output", "words", "words"]
    assert roles(theirs) == ["words", "source", "output"]
    assert [part.transport.format for part in theirs.parts[1:]] == ["file", "file"]
    reply = "Prompt Compliance:  4"
    assert rededit(prompts).read[OFFICIAL](ours, reply, 1).scores == (4.0,)
    assert imgedit(prompts).read[OFFICIAL](theirs, reply, 1).state is State.PARSE_FAILED


def test_a_gedit_sample_has_all_three_figures_or_none():
    protocol = gedit(GEDIT_PARTS)
    assert values(protocol, item(), {"SC": ok(4, 9), "PQ": ok(8, 9)}) == {
        "SC": (4.0,), "PQ": (8.0,), "O": (pytest.approx(32**0.5),),
    }  # fmt: skip
    assert values(protocol, item(), {"SC": ok(4, 9), "PQ": REFUSED}) == dict.fromkeys(
        ("SC", "PQ", "O"), State.REFUSED
    )
    negative = protocol.combine(item(), {"SC": ok(-1, 3), "PQ": ok(4, 4)}, OFFICIAL)
    assert negative["O"].state is State.PARSE_FAILED
    assert "negative" in negative["O"].note
    assert (protocol.attempts, dict(protocol.parameters)) == (2, {"max_tokens": 1400})


RISE_PROMPTS = {
    f"prompt_{name}": f"{name}: {{instruct}} / {{reference}}"
    for name in (
        "consist", "reasoning", "reasoning_w_input", "generation", "logical_cons_ans", "logical_txt",
        "logical_cons", "logical_img", "logical_img_wo_q", "spatial_cons", "spatial_ref", "spatial_ref_img",
        "spatial_ref_w_input", "spatial_qual",
    )
}  # fmt: skip
SEEN = ("consistency", "consist", ["source", "output"])
QUALITY = ("plausibility", "generation", ["output"])
SPATIAL = ("plausibility", "spatial_qual", ["output"])
REFERENCE = picture_of_pixels("reference", item().sources[0].pixels())


@pytest.mark.parametrize(
    ("kind", "facts", "truth", "expected"),
    [
        (
            "temporal_reasoning", {"reference": "rust"}, None,
            [SEEN, ("reasoning", "reasoning", ["output"]), QUALITY],
        ),
        (
            "causal_reasoning", {"reasoning_img": "True"}, REFERENCE,
            [SEEN, ("reasoning", "reasoning_w_input", ["source", "output"]), QUALITY],
        ),
        (
            "causal_reasoning", {"consistency_free": "True"}, None,
            [("reasoning", "reasoning", ["output"]), QUALITY],
        ),
        (
            "spatial_reasoning", {}, REFERENCE,
            [("consistency", "spatial_cons", ["reference", "output"]),
             ("reasoning", "spatial_ref_img", ["reference", "output"]), SPATIAL],
        ),
        (
            "spatial_reasoning", {"reasoning_img": "True"}, None,
            [("consistency", "spatial_cons", ["source", "output"]),
             ("reasoning", "spatial_ref_w_input", ["source", "output"]), SPATIAL],
        ),
        (
            "logical_reasoning", {"reference_txt": "7"}, None,
            [("consistency", "logical_cons_ans", ["source", "output"]),
             ("reasoning", "logical_txt", ["output"])],
        ),
        (
            "logical_reasoning", {"reasoning_wo_ins": "True"}, REFERENCE,
            [("consistency", "logical_cons", ["reference", "output"]),
             ("reasoning", "logical_img_wo_q", ["reference", "output"])],
        ),
    ],
)  # fmt: skip
def test_risebench_asks_by_category_and_reference(kind, facts, truth, expected):
    one = item(kind=kind, facts=facts, truth=truth)
    asked = rise(RISE_PROMPTS).questions(one)
    assert [question.name for question in asked] == [name for name, _, _ in expected]
    for question, (_, prompt, shown) in zip(asked, expected, strict=True):
        assert question.parts[0].text.startswith(f"{prompt}: Edit 1 / ")
        assert list(question.roles()) == shown
        assert {(p.transport.format, p.transport.longest_side) for p in question.parts[1:]} == {("jpeg", 768)}


@pytest.mark.parametrize(
    ("kind", "facts", "scores", "view", "score", "accuracy"),
    [
        ("causal_reasoning", {}, (5, 5, 5), STRICT, 5.0, 100),
        ("causal_reasoning", {}, (4, 3, 2), STRICT, 0.3 * 4 + 0.5 * 3 + 0.2 * 2, 0),
        (
            "causal_reasoning",
            {},
            (5, 1, 5),
            STRICT,
            (0.3 * 5 + 0.5 + 0.2 * 5) / 2,
            0,
        ),  # nothing was understood
        ("causal_reasoning", {}, (1, 1, 1), STRICT, 1.0, 0),
        ("causal_reasoning", {"consistency_free": "True"}, (None, 4, 2), STRICT, 0.8 * 4 + 0.2 * 2, 0),
        ("causal_reasoning", {"consistency_free_elsewhere": "yes"}, (4, 3, 2), STRICT, 3.1, 0),
        (
            "causal_reasoning",
            {"consistency_free_elsewhere": "yes"},
            (4, 3, 2),
            OFFICIAL,
            0.8 * 3 + 0.2 * 2,
            0,
        ),
        ("logical_reasoning", {}, (1, 0, None), STRICT, max(1, (0.3 * 5 + 0.7) / 2), 0),
        ("logical_reasoning", {}, (1, 1, None), OFFICIAL, 5.0, 100),
    ],
)
def test_risebench_weighs_as_its_script_does(kind, facts, scores, view, score, accuracy):
    readings = {
        name: ok(value)
        for name, value in zip(("consistency", "reasoning", "plausibility"), scores, strict=True)
        if value is not None
    }
    found = values(rise(RISE_PROMPTS), item(kind=kind, facts=facts), readings, view)
    assert found["score"] == (pytest.approx(25 * (score - 1)),)
    assert found["accuracy"] == (accuracy,)


def test_risebench_scores_off_the_scale_count_officially_only():
    protocol, logical = rise(RISE_PROMPTS), item(kind="logical_reasoning")
    three = {"consistency": ok(3), "reasoning": ok(1)}
    assert values(protocol, logical, three, OFFICIAL)["score"] == (100.0,)
    assert values(protocol, logical, three, STRICT)["score"] is State.PARSE_FAILED
    zero = {"consistency": ok(0), "reasoning": ok(3), "plausibility": ok(3)}
    assert values(protocol, item(kind="causal_reasoning"), zero, STRICT)["score"] is State.PARSE_FAILED
    one_refused = {"consistency": ok(4), "reasoning": REFUSED, "plausibility": ok(3)}
    found = values(protocol, item(kind="causal_reasoning"), one_refused)
    assert set(found.values()) == {State.REFUSED}


def test_our_rubric_for_risebench_asks_for_the_same_dimensions():
    protocol = rise_rubric()
    one = item(kind="causal_reasoning", facts={"reference": "It rusts."}, truth=REFERENCE)
    (question,) = protocol.questions(one)
    assert question.roles() == ("source", "output", "reference")
    assert "The right result, in words: It rusts." in question.parts[0].text
    reply = "\n".join(f"{label}: {n}" for n, label in enumerate(question.labels, start=3))
    reading = protocol.read[STRICT](question, reply, 1)
    assert reading.scores == (3, 4, 5)
    expected = 25 * (0.3 * 3 + 0.5 * 4 + 0.2 * 5 - 1)
    assert values(protocol, one, {"rubric": reading})["score"] == (pytest.approx(expected),)
    assert set(values(protocol, one, {"rubric": REFUSED}).values()) == {State.REFUSED}


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
    figures, _ = summarise(score_table(rows), protocol.measures, seed=0, bootstraps=50)
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
    figures, _ = summarise(score_table(rows), protocol.measures[:1], seed=0, bootstraps=50)
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


def test_texteditbench_asks_one_question_a_dimension_and_for_knowledge_only_where_there_is_any():
    prompts = {name: f"Rules of {name}" for name in ("IF", "TA", "VC", "LP", "SE")}
    protocol = textedit(prompts)
    plain = item(facts={"editing_method": "text_delete"})
    asked = protocol.questions(plain)
    assert [(question.name, question.system) for question in asked] == [
        (name, f"Rules of {name}") for name in ("IF", "TA", "VC", "LP")
    ]
    said = [part.text for part in asked[0].parts if isinstance(part, Say)]
    assert "Editing method: text_delete" in said
    assert not any("Editing method" in part.text for part in asked[1].parts if isinstance(part, Say))
    knowing = item(facts={"knowledge_prompt": "2 + 2 = 4"})
    last = protocol.questions(knowing)[-1]
    assert last.name == "SE"
    assert "Knowledge prompt: 2 + 2 = 4" in [part.text for part in last.parts if isinstance(part, Say)]
    reading = protocol.read[STRICT](asked[0], json.dumps({"IF": 5, "rationale": "good"}), 1)
    assert values(protocol, plain, {"IF": reading, "TA": REFUSED}) == {"IF": (5.0,), "TA": State.REFUSED}


def test_our_rubric_for_text_edits_counts_from_zero():
    protocol = textedit_rubric()
    (question,) = protocol.questions(item())
    reply = "\n".join(f"{label}: 0" for label in question.labels)
    reading = protocol.read[STRICT](question, reply, 1)
    assert values(protocol, item(), {"rubric": reading}) == dict.fromkeys(("IF", "TA", "VC", "LP"), (0.0,))
    assert set(values(protocol, item(), {"rubric": REFUSED}).values()) == {State.REFUSED}


def test_prompts_are_filled_by_plain_names_and_nothing_else():
    assert fill("{instruct} {{kept}} {instruct}", {"instruct": "{x}"}) == "{x} {kept} {x}"
    with pytest.raises(SuiteError, match=r"asks for \{other\}"):
        fill("{other}", {"instruct": "x"})
    assert fill("{instruct.__class__}", {"instruct": "x"}) == "{instruct.__class__}"  # no attributes are read


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ('{"alignment": 0.25}', (0.25,)), ('{"alignment": 1}', (1.0,)), ('{"alignment": 1.5}', None),
        ('{"alignment": true}', None), ('{"alignment": "0.5"}', None), ("{}", None), ("[]", None),
        ("x", None),
    ],
)  # fmt: skip
def test_an_alignment_is_a_number_from_0_to_1(reply, scores):
    protocol = alignment()
    (question,) = protocol.questions(item())
    assert roles(question) == ["words", "source", "output"]
    found = protocol.read[STRICT](question, reply, 1)
    assert found.scores == (scores or ())


def test_every_measure_of_every_protocol_has_a_scale_and_a_rule():
    protocols = (
        rededit({}), imgedit({}), gedit(GEDIT_PARTS), rise({}), rise_rubric(), kris({}), kris_rubric(),
        textedit({}), textedit_rubric(), alignment(),
    )  # fmt: skip
    for protocol in protocols:
        for measure in protocol.measures:
            assert measure.higher_is_better
            assert measure.worst < measure.best
            assert {measure.rule(OFFICIAL), measure.rule(STRICT)} <= set(RULES.values())
    assert isinstance(score_table([]), pl.DataFrame)
