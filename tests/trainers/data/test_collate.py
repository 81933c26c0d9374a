import polars as pl
import pytest
import torch

from trainers.data.cache import TensorCache, write_index, write_tensors
from trainers.data.collate import MixedBucketError, collate, pad


@pytest.fixture
def caches(tmp_path):
    latents = {f"image{number}": torch.full((4, 2, 2), float(number)) for number in range(5)}
    latents["tall"] = torch.zeros(4, 4, 2)
    texts = {"one": torch.ones(1, 3).half(), "three": torch.full((3, 3), 2.0).half()}
    for name, tensors in (("latents", latents), ("text", texts)):
        write_tensors(tmp_path / name, tensors, shard="s")
        write_index(tmp_path / name, [(key, "s", key) for key in tensors])
    return TensorCache(tmp_path / "text"), TensorCache(tmp_path / "latents")


def rows(*entries):
    names = ("sample_id", "text_key", "target_key", "source_keys")
    frame = pl.DataFrame([dict(zip(names, entry, strict=True)) for entry in entries])
    return frame.with_columns(bucket=pl.lit("i2i|2|16x16|short"))


def test_references_keep_their_order(caches):
    batch = collate(
        rows(("a", "one", "image0", ["image1", "image2"]), ("b", "three", "image3", ["image4", "image0"])),
        *caches,
    )
    assert batch.sample_ids == ["a", "b"]
    assert batch.target[:, 0, 0, 0].tolist() == [0, 3]
    assert [reference[:, 0, 0, 0].tolist() for reference in batch.references] == [[1, 4], [2, 0]]


def test_text_is_padded_with_masked_zeros(caches):
    batch = collate(rows(("a", "one", "image0", []), ("b", "three", "image1", [])), *caches)
    assert batch.text.shape == (2, 3, 3)
    assert batch.text.dtype == torch.float32
    assert batch.text_mask.tolist() == [[True, False, False], [True, True, True]]
    assert float(batch.text[0, 1:].abs().sum()) == 0
    assert batch.references == []


def test_shapes_that_differ_are_an_error(caches):
    with pytest.raises(MixedBucketError) as raised:
        collate(rows(("a", "one", "image0", []), ("b", "one", "tall", [])), *caches)
    assert (raised.value.key, raised.value.shape) == ("tall", (4, 4, 2))
    with pytest.raises(MixedBucketError) as raised:
        collate(rows(("a", "one", "image0", []), ("b", "one", "image1", ["image2"])), *caches)
    assert raised.value.bucket == "i2i|2|16x16|short"


def test_repeated_samples_stay_together(caches):
    batch = collate(rows(("a", "one", "image0", ["image1"]), ("b", "three", "image3", ["image4"])), *caches)
    twice = batch.repeat(2)
    assert twice.sample_ids == ["a", "a", "b", "b"]
    assert twice.target[:, 0, 0, 0].tolist() == [0, 0, 3, 3]
    assert twice.references[0][:, 0, 0, 0].tolist() == [1, 1, 4, 4]
    assert twice.text_mask.sum(1).tolist() == [1, 1, 3, 3]


def test_padding_keeps_every_state():
    text, mask = pad([torch.ones(2, 4), torch.ones(5, 4)])
    assert text.shape == (2, 5, 4)
    assert mask.sum().item() == 7
    assert float(text.sum()) == 28
