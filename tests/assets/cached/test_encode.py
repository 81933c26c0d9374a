import numpy as np
import polars as pl
import pytest
import torch
from handed_on import hand_on

from assets.cached import encode
from assets.cached.config import EncodeConfig
from assets.cached.encode import UnreadLanguageError, encode_cache
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.schemas import TEXTS
from models.codecs.patch_codec import PatchCodec
from models.common.pixels import encode_png
from models.common.progress import silent
from models.common.seeding import numpy_generator
from models.text_encoders import minilm as text_encoder
from trainers.data.cache import MIXTURE, TensorCache

CONFIG = EncodeConfig(
    codec_patch=8,
    codec_channels=4,
    codec_images=100,
    texts_per_shard=3,
    latents_per_shard=4,
    seed=0,
)


class FakeEncoder:
    """States whose value is the length of the text, one a word; counts what it was given."""

    def __init__(self):
        self.seen = []

    def encode(self, texts):
        self.seen += texts
        words = [len(text.split()) for text in texts]
        mask = torch.tensor([[place < count for place in range(max(words))] for count in words])
        return torch.tensor([float(len(text)) for text in texts])[:, None, None].expand(
            -1, max(words), 8
        ), mask


@pytest.fixture
def encoder(monkeypatch):
    fake = FakeEncoder()
    monkeypatch.setattr(text_encoder, "load_text_encoder", lambda path: fake)
    return fake


def picture(number):
    coarse = numpy_generator(0, "picture", number).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return coarse.repeat(5, axis=0).repeat(6, axis=1)  # 20 x 24: encoding has to crop


def write_lake(lake, pictures=10, texts=10):
    """Pictures p0, p1 ... in two shards, of which the last two are held out; texts that repeat."""
    stored = [StoredImage(encode_png(picture(number)), "p.png", "c", "cc0") for number in range(pictures)]
    ids = [image.image_id for image in stored]
    write_image_shard(lake, "images/a/shard-000.parquet", stored[: pictures // 2])
    write_image_shard(lake, "images/b/shard-000.parquet", stored[pictures // 2 :])
    rows, words = [], []
    for number, image_id in enumerate(ids):
        key = f"text{number % texts}"
        rows.append(
            {
                "sample_id": f"s{number}",
                "group_id": f"g{number}",
                "split": "heldout" if number >= pictures - 2 else "train",
                "task": "i2i",
                "category": None,
                "subcategory": None,
                "template": "blur",
                "text_kind": "concise",
                "text_key": key,
                "target_key": f"{image_id}@16x16",
                "source_keys": [f"{ids[number - 1]}@16x16"] if number else [],
                "bucket": f"i2i|{min(number, 1)}|16x16|short",
                "weight": 1.0,
            }
        )
        words.append(
            {
                "text_id": key,
                "sample_id": f"s{number}",
                "kind": "concise",
                "lang": "en",
                "text": "make it " + "very " * (number % 4) + "blurred",
                "model": "m",
                "prompt_version": 1,
                "seed": 0,
                "parent_text_id": None,
            }
        )
    lake.write_table("mixtures/sft.parquet", pl.DataFrame(rows, schema=dict(MIXTURE)), MIXTURE)
    lake.write_table("texts/raw/b.parquet", pl.DataFrame(words, schema=dict(TEXTS)), TEXTS)
    hand_on(lake)
    return rows, words


def caches(lake):
    return TensorCache(lake.local_path("cache/text")), TensorCache(lake.local_path("cache/latents"))


def snapshot(lake):
    return {path: lake.read_bytes(path) for path in lake.list("cache")}


def test_everything_that_the_mixtures_name_is_in_the_caches(lake, encoder):
    rows, words = write_lake(lake)
    output = encode_cache(lake, CONFIG, None, silent)
    texts, latents = caches(lake)
    for row in rows:
        assert latents.get(row["target_key"]).shape == (4, 2, 2)
        assert all(key in latents for key in row["source_keys"])
        assert row["text_key"] in texts
    for word in words:
        state = texts.get(word["text_id"])
        assert state.dtype == torch.float16
        assert state.shape == (len(word["text"].split()), 8), "padding must not be stored"
        assert float(state[0, 0]) == len(word["text"])
    assert all(lake.exists(path) for path in output.files)
    assert output.facts["latents"] == 10


def test_equal_texts_are_encoded_and_stored_once(lake, encoder):
    write_lake(lake)
    output = encode_cache(lake, CONFIG, None, silent)
    assert output.facts["texts"] == 4
    assert len(encoder.seen) == len(set(encoder.seen)) == 4


def test_latents_are_those_of_the_cropped_picture(lake, encoder):
    rows, _ = write_lake(lake)
    encode_cache(lake, CONFIG, None, silent)
    codec = PatchCodec.from_pretrained(str(lake.local_path("models/codec")))
    # Scaled to 16 x 19, of which the middle 16 columns are kept; a picture of one colour shows the range.
    assert codec.decode(caches(lake)[1].get(rows[3]["target_key"])[None]).abs().max() < 1.5
    flat = torch.full((1, 3, 16, 16), 37 / 127.5 - 1)
    stored = StoredImage(encode_png(np.full((20, 24, 3), 37, np.uint8)), "f.png", "c", "cc0")
    write_image_shard(lake, "images/c/shard-000.parquet", [stored])
    hand_on(lake)
    key = f"{stored.image_id}@16x16"
    mixture = lake.read_table("mixtures/sft.parquet")
    extra = mixture[:1].with_columns(target_key=pl.lit(key), split=pl.lit("heldout"))
    lake.write_table("mixtures/sft.parquet", pl.concat([mixture, extra]), MIXTURE)
    encode_cache(lake, CONFIG, None, silent)
    np.testing.assert_allclose(caches(lake)[1].get(key), codec.encode(flat)[0], atol=1e-4)


def test_held_out_pictures_have_no_part_in_the_codec(lake, encoder, monkeypatch):
    from trainers.data import encoding

    fitted = []
    fit = encoding.fit_codec
    monkeypatch.setattr(
        encoding, "fit_codec", lambda images, **sizes: fitted.extend(images) or fit(images, **sizes)
    )
    write_lake(lake)
    encode_cache(lake, CONFIG, None, silent)
    assert len(fitted) == 8


def test_a_second_run_encodes_nothing(lake, encoder, monkeypatch):
    write_lake(lake)
    encode_cache(lake, CONFIG, None, silent)
    before = snapshot(lake)
    monkeypatch.setattr(encode, "write_tensors", None)
    encoder.seen.clear()
    encode_cache(lake, CONFIG, None, silent)
    assert encoder.seen == []
    assert snapshot(lake) == before


def test_another_shard_size_changes_no_stored_file(lake, encoder):
    write_lake(lake)
    encode_cache(lake, CONFIG, None, silent)
    before = snapshot(lake)
    changed = CONFIG.model_copy(update={"texts_per_shard": 1, "latents_per_shard": 1})
    encode_cache(lake, changed, None, silent)
    assert snapshot(lake) == before


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_a_killed_run_keeps_its_shards_and_ends_like_an_undisturbed_one(
    lake, tmp_path, encoder, monkeypatch, shards
):
    undisturbed = type(lake)(str(tmp_path / "other"))
    write_lake(undisturbed)
    encode_cache(undisturbed, CONFIG, None, silent)
    write_lake(lake)
    written = []
    write = encode.write_tensors

    def write_until_killed(folder, tensors, *, shard):
        if len(written) == shards:
            raise KeyboardInterrupt
        written.append(shard)
        return write(folder, tensors, shard=shard)

    monkeypatch.setattr(encode, "write_tensors", write_until_killed)
    with pytest.raises(KeyboardInterrupt):
        encode_cache(lake, CONFIG, None, silent)
    again = []
    monkeypatch.setattr(
        encode,
        "write_tensors",
        lambda folder, tensors, *, shard: again.append(shard) or write(folder, tensors, shard=shard),
    )
    encode_cache(lake, CONFIG, None, silent)
    assert not set(written) & set(again), "a finished shard was encoded again"
    assert snapshot(lake) == snapshot(undisturbed)


def test_new_rows_add_shards_and_leave_the_old_ones(lake, encoder):
    write_lake(lake, pictures=10)
    encode_cache(lake, CONFIG.model_copy(update={"codec_images": 1}), None, silent)
    before = snapshot(lake)
    mixture = lake.read_table("mixtures/sft.parquet")
    stored = StoredImage(encode_png(picture(77)), "p.png", "c", "cc0")
    write_image_shard(lake, "images/c/shard-000.parquet", [stored])
    hand_on(lake)
    extra = mixture[:1].with_columns(target_key=pl.lit(f"{stored.image_id}@16x16"), split=pl.lit("heldout"))
    lake.write_table("mixtures/sft.parquet", pl.concat([mixture, extra]), MIXTURE)
    encode_cache(lake, CONFIG.model_copy(update={"codec_images": 1}), None, silent)
    after = snapshot(lake)
    kept = {path for path in before if path.endswith(".safetensors")}
    assert all(after[path] == before[path] for path in kept)
    assert len(after) == len(before) + 1


def test_a_codec_of_another_corpus_replaces_all_latents(lake, encoder):
    write_lake(lake)
    encode_cache(lake, CONFIG, None, silent)
    before = snapshot(lake)
    encode_cache(lake, CONFIG.model_copy(update={"codec_channels": 6}), None, silent)
    rows = lake.read_table("mixtures/sft.parquet")
    assert caches(lake)[1].get(rows["target_key"][0]).shape == (6, 2, 2)
    texts = [path for path in before if path.startswith("cache/text")]
    assert all(snapshot(lake)[path] == before[path] for path in texts), "texts don't depend on the codec"


def test_what_no_mixture_names_any_more_is_deleted(lake, encoder):
    write_lake(lake)
    encode_cache(lake, CONFIG, None, silent)
    lake.write_bytes("cache/latents/stray.safetensors", b"left by a killed run")
    encode_cache(lake, CONFIG, None, silent)
    assert not lake.exists("cache/latents/stray.safetensors")


def test_a_language_that_the_encoder_does_not_read_is_an_error(lake, encoder):
    _, words = write_lake(lake)
    chinese = pl.DataFrame([{**word, "lang": "zh"} for word in words], schema=dict(TEXTS))
    lake.write_table("texts/raw/b.parquet", chinese, TEXTS)
    hand_on(lake)
    with pytest.raises(UnreadLanguageError, match="zh"):
        encode_cache(lake, CONFIG, None, silent)
