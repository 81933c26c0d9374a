from collections import Counter

import numpy as np
from edit_tables import KINDS, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.postfiltered.training_set import (
    SAME_EDIT,
    Edit,
    edit_of,
    match_partners,
    relation_of,
    training_set,
)
from assets.synthesized.instructions import instruction_forms
from assets.synthesized.templates.catalogue import TEMPLATES, inverse_name
from models.common.seeding import numpy_generator


def test_neither_pictures_nor_instructions_alone_tell_the_label():
    pairs = training_set(*tables(90, ["a", "b"]), seed=0)
    for _, part in pairs.group_by("split", "text_kind"):
        assert part["sample_id"].n_unique() == part.height  # each pair once with either label
        assert Counter(part["text"]) == Counter(part["other_text"])  # and so each instruction
    assert set(pairs["split"]) == {"train", "heldout"}


def test_a_perturbed_instruction_never_describes_the_edit():
    samples, texts = tables(90, ["a", "b"])
    pairs = training_set(samples, texts, seed=0)
    same = {frozenset(names) for names in SAME_EDIT}
    meaning = {}
    for name in KINDS:
        template = name.partition(":")[0]
        for wordings in instruction_forms(template, {}, inverse=name != template).values():
            meaning |= dict.fromkeys(wordings, name)
    for row in pairs.iter_rows(named=True):
        own, other = meaning[row["text"]], meaning[row["other_text"]]
        assert own == row["template"]
        assert own != other
        assert frozenset((own, other)) not in same


def test_the_training_set_does_not_depend_on_the_order_of_its_tables():
    samples, texts = tables(40, ["a", "b"])
    shuffled = training_set(samples.reverse(), texts.sample(fraction=1, shuffle=True, seed=1), seed=0)
    assert shuffled.equals(training_set(samples, texts, seed=0))


@settings(deadline=None)
@given(st.lists(st.sampled_from([Edit(name, "{}", name[0]) for name in KINDS]), max_size=30))
def test_partners_are_mutual_and_contradict_each_other(edits):
    matches = match_partners(edits, numpy_generator(0, "test"))
    for row, (partner, relation) in matches.items():
        assert matches[partner][0] == row
        assert relation_of(edits[row], edits[partner]) == relation


def test_all_rows_find_partners_where_no_edit_outnumbers_the_rest():
    edits = [Edit(name, "{}", "") for name in ("blur", "grayscale", "sepia") for _ in range(20)]
    assert len(match_partners(edits, numpy_generator(0, "test"))) >= 56


def test_relations_go_by_parameter_direction_and_category():
    red, blue = Edit("frame", '{"color":"red"}', "add"), Edit("frame", '{"color":"blue"}', "add")
    assert relation_of(red, blue) == "parameter"
    assert relation_of(red, red) is None
    assert relation_of(Edit("brighter", "", "adjust"), Edit("darker", "", "adjust")) == "direction"
    assert relation_of(Edit("disc", "", "add"), Edit("disc:inverse", "", "remove")) == "direction"
    assert relation_of(Edit("mirror", "", "adjust"), Edit("mirror:inverse", "", "adjust")) is None
    assert relation_of(Edit("warmer", "", "color"), Edit("sepia", "", "color")) == "category"
    assert relation_of(Edit("warmer", "", "color"), Edit("blur", "", "lowlevel")) == "kind"


def test_exactly_those_edits_count_as_the_same_that_undo_each_other():
    """Undoing A looks like doing B where B after A gives the picture back, within a rounding."""
    picture = numpy_generator(0, "undo").integers(20, 235, (48, 48, 3), dtype=np.uint8)
    plain = {
        name: t for name, t in TEMPLATES.items() if t.references == 1 and not t.draw(numpy_generator(0, "d"))
    }
    undone = {
        (name, inverse_name(other))
        for other, first in plain.items()
        for name, second in plain.items()
        if first.invertible
        and np.abs(second.apply([first.apply([picture], {})], {}).astype(int) - picture).mean() <= 2
    }
    listed = {tuple(sorted(names)) for names in SAME_EDIT}
    assert {tuple(sorted(names)) for names in undone} == listed


def test_edits_of_a_corpus_with_one_instruction_are_one_edit():
    origin = {"engine": "pairs", "template": None, "parameters": None}
    rows = [
        {"sample_id": name, "origin": origin, "category": None, "subcategory": "add", "text": text}
        for name, text in (("a", "Add a  hat."), ("b", "add a hat"), ("c", "remove the hat"))
    ]
    same, again, other = map(edit_of, rows)
    assert relation_of(same, again) is None
    assert relation_of(same, other) == "category"
