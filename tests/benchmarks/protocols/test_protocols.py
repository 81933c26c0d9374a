"""What each benchmark asks, and what its replies amount to in either view."""

import json

import polars as pl
import pytest
import toy_bench
from readings import OFFICIAL, REFUSED, STRICT, ok, roles, values
from toy_bench import GEDIT_PARTS, item

from benchmarks.parsing.reading import State
from benchmarks.protocols.alignment import alignment
from benchmarks.protocols.five_points import imgedit, rededit
from benchmarks.protocols.gedit import gedit
from benchmarks.protocols.kris import kris, kris_rubric
from benchmarks.protocols.protocol import fill_template
from benchmarks.protocols.rise import rise, rise_rubric
from benchmarks.protocols.textedit import textedit, textedit_rubric
from benchmarks.scoring.aggregate import RULES
from benchmarks.scoring.table import score_table
from benchmarks.suites.item import SuiteError, picture_of_pixels
from models.vlm.messages import Say


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
    assert fill_template("{instruct} {{kept}} {instruct}", {"instruct": "{x}"}) == "{x} {kept} {x}"
    with pytest.raises(SuiteError, match=r"asks for \{other\}"):
        fill_template("{other}", {"instruct": "x"})
    assert (
        fill_template("{instruct.__class__}", {"instruct": "x"}) == "{instruct.__class__}"
    )  # no attributes are read


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
        for measure in protocol.metrics:
            assert measure.higher_is_better
            assert measure.worst < measure.best
            assert {measure.rule(OFFICIAL), measure.rule(STRICT)} <= set(RULES.values())
    assert isinstance(score_table([]), pl.DataFrame)
