import numpy as np
import pytest
import torch

from assets.measured import sentences
from assets.measured.sentences import FOLDER, sentence_vectors
from models.common.progress import silent
from models.text_encoders import minilm as text_encoder


class CountingEncoder:
    """Gives a text the vector of its length, and counts how often it is asked."""

    def __init__(self):
        self.texts = []

    def embed(self, texts):
        self.texts += texts
        return torch.tensor([[float(len(text)), 1.0] for text in texts])


@pytest.fixture
def encoder(monkeypatch):
    found = CountingEncoder()
    monkeypatch.setattr(text_encoder, "load_text_encoder", lambda path: found)
    return found


def test_each_distinct_text_is_embedded_once_and_kept(lake, encoder):
    first = sentence_vectors(lake, ["bb", "a", "bb"], None, silent)
    again = sentence_vectors(lake, ["a", "bb"], None, silent)
    assert encoder.texts == ["a", "bb"]
    assert {text: vector.tolist() for text, vector in again.items()} == {"a": [1, 1], "bb": [2, 1]}
    assert all((first[text] == again[text]).all() for text in first)


def test_a_set_that_grows_is_embedded_anew_so_that_its_vectors_do_not_depend_on_its_history(lake, encoder):
    sentence_vectors(lake, ["a"], None, silent)
    sentence_vectors(lake, ["a", "b"], None, silent)
    assert encoder.texts == ["a", "a", "b"]
    assert len(lake.list(FOLDER)) == 2


def test_no_texts_need_no_encoder(lake, monkeypatch):
    monkeypatch.setattr(text_encoder, "load_text_encoder", lambda path: pytest.fail("was loaded"))
    assert sentence_vectors(lake, [], None, silent) == {}


def test_many_texts_keep_their_own_vectors(lake, encoder, monkeypatch):
    monkeypatch.setattr(sentences, "BATCH_SIZE", 3)
    texts = ["x" * length for length in range(1, 12)]
    found = sentence_vectors(lake, texts[::-1], None, silent)
    assert np.stack([found[text] for text in texts])[:, 0].tolist() == list(range(1, 12))
