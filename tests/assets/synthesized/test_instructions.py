import re
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.lake.schemas import TEXT_KINDS
from assets.synthesized.instructions import CHINESE_PARAMETERS, FORMS, instruction_forms, write_instructions
from assets.synthesized.templates.catalogue import TEMPLATES, WORDINGS, inverse_name


def every_edit():
    for name, template in TEMPLATES.items():
        drawn = [template.draw(np.random.default_rng(seed)) for seed in range(200)]
        for items in sorted({tuple(sorted(choice.items())) for choice in drawn}):
            for inverse in (False, True)[: 1 + template.invertible]:
                yield name, dict(items), inverse


EDITS = list(every_edit())


def test_every_kind_of_edit_has_words_in_both_languages():
    kinds = {inverse_name(name) if inverse else name for name, _, inverse in EDITS}
    assert set(WORDINGS) == kinds


def test_no_text_stands_for_two_edits_or_two_kinds():
    meanings = defaultdict(set)
    for name, parameters, inverse in EDITS:
        for (kind, lang), texts in instruction_forms(name, parameters, inverse=inverse).items():
            for text in texts:
                meanings[text].add((name, inverse, tuple(sorted(parameters.items())), kind, lang))
    assert {text: found for text, found in meanings.items() if len(found) > 1} == {}


def test_texts_that_differ_only_in_case_and_punctuation_mean_the_same_edit():
    meanings = defaultdict(set)
    for name, parameters, inverse in EDITS:
        for texts in instruction_forms(name, parameters, inverse=inverse).values():
            for text in texts:
                bare = re.sub(r"[\W_]+", " ", text.lower()).strip()
                meanings[bare].add((name, inverse, tuple(sorted(parameters.items()))))
    assert {text: found for text, found in meanings.items() if len(found) > 1} == {}


def test_every_parameter_is_said_in_every_text():
    for name, parameters, inverse in EDITS:
        for (_, lang), texts in instruction_forms(name, parameters, inverse=inverse).items():
            for value in parameters.values():
                said = CHINESE_PARAMETERS.get(value, value) if lang == "zh" else value
                assert all(said in text for text in texts), (name, lang, value)


def test_there_are_several_syntactic_forms_of_each_kind_in_each_language():
    assert {(kind, lang) for kind, lang in FORMS} == {
        (kind, lang) for kind in ("detailed", "concise", "user_like") for lang in ("en", "zh")
    }
    for name, parameters, inverse in EDITS:
        forms = instruction_forms(name, parameters, inverse=inverse)
        assert all(len(forms[key]) >= 5 for key in FORMS)


def test_texts_are_finished_sentences_of_their_language():
    for name, parameters, inverse in EDITS:
        for (kind, lang), texts in instruction_forms(name, parameters, inverse=inverse).items():
            assert kind in TEXT_KINDS
            for text in texts:
                assert "{" not in text
                assert ".." not in text.replace("...", "")
                assert bool(re.search(r"[\u4e00-\u9fff]", text)) == (lang == "zh")
                assert text[-1] in ".?!。？！～"


def test_detailed_texts_are_the_longest():
    for name, parameters, inverse in EDITS:
        forms = instruction_forms(name, parameters, inverse=inverse)
        for lang in ("en", "zh"):
            mean = {
                kind: np.mean([len(text) for text in forms[kind, lang]])
                for kind in ("detailed", "concise", "user_like")
            }
            assert mean["detailed"] > mean["user_like"] > mean["concise"] * 0.9


def test_requests_for_help_sound_like_a_person():
    for text in instruction_forms("blur", {}, inverse=False)["user_like", "en"]:
        assert re.search(r"can you|could you|please", text.lower())


edits = st.sampled_from(EDITS)


@given(edits, st.integers(0, 2**63 - 1))
def test_a_sample_gets_one_text_of_each_kind_and_the_seed_decides_which(edit, seed):
    name, parameters, inverse = edit
    texts = write_instructions(name, parameters, inverse=inverse, seed=seed)
    forms = instruction_forms(name, parameters, inverse=inverse)
    assert [(text.kind, text.lang) for text in texts] == list(forms)
    assert all(text.text in forms[text.kind, text.lang] for text in texts)
    assert texts == write_instructions(name, parameters, inverse=inverse, seed=seed)


def test_all_forms_are_drawn_sooner_or_later():
    forms = instruction_forms("mirror", {}, inverse=True)
    drawn = {
        text.text for seed in range(400) for text in write_instructions("mirror", {}, inverse=True, seed=seed)
    }
    assert drawn == {text for texts in forms.values() for text in texts}


def test_an_edit_without_an_inverse_has_no_words_for_one():
    with pytest.raises(KeyError, match="grayscale:inverse"):
        write_instructions("grayscale", {}, inverse=True, seed=0)
