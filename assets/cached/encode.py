"""Writes the cache: the codec, and the text features and latents of the mixtures that it lacks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from assets.cached.config import EncodeConfig
from assets.lake.ids import content_id, digest
from assets.lake.images import read_images
from assets.lake.kept import KEPT_IMAGES_PATH, PAIR_IMAGES_PATH, image_shards, read_kept_texts
from assets.lake.lake import Lake
from assets.lake.paths import CODEC, LATENT_CACHE, MIXTURES, TEXT_CACHE
from assets.lake.steps import StepOutput
from models.common.pixels import cover_crop, decode
from models.common.progress import Progress, tracked
from models.common.seeding import numpy_generator
from trainers.data.cache import INDEX_NAME, MADE_WITH, MIXTURE, read_index, write_index, write_tensors

CODEC_FILES = ("config.json", "diffusion_pytorch_model.safetensors")

Entry = tuple[str, str, str]


class UnreadLanguageError(ValueError):
    """A mixture has texts in a language that the text encoder doesn't support."""


def encode_cache(
    lake: Lake, config: EncodeConfig, encoder_path: Path | None, progress: Progress
) -> StepOutput:
    """Writes the codec, and the text features and latents of all mixtures, shard by shard.

    A killed run loses at most the shard that it was writing: a shard is named after its content, so the next
    run finds it. The index is written after all shards.

    Raises:
        UnreadLanguageError: a mixture has texts that the text encoder doesn't support.
    """
    mixtures = lake.read_tables(MIXTURES, MIXTURE)
    texts = _encode_texts(lake, config, encoder_path, mixtures, progress)
    latents = _encode_latents(lake, config, mixtures, progress)
    facts = {"texts": texts[1], "latents": latents[1], "bytes": sum(map(lake.size, texts[0] + latents[0]))}
    encoders = (f"{cache}/{MADE_WITH}" for cache in (TEXT_CACHE, LATENT_CACHE))
    files = (*texts[0], *latents[0], *encoders, *(f"{CODEC}/{name}" for name in CODEC_FILES))
    return StepOutput(files, texts[1] + latents[1], facts)


def _encode_texts(
    lake: Lake,
    config: EncodeConfig,
    encoder_path: Path | None,
    mixtures: pl.DataFrame,
    progress: Progress,
) -> tuple[list[str], int]:
    wanted = mixtures.select(text_id="text_key").unique()
    texts = read_kept_texts(lake).join(wanted, on="text_id", how="semi")
    tensor_of = {key: content_id(text.encode()) for key, text in texts.select("text_id", "text").iter_rows()}
    written = dict(zip(tensor_of.values(), texts["text"], strict=True))
    _check_languages(texts["lang"].unique().to_list())
    entries = _read_index_of(lake, TEXT_CACHE, _text_encoder_identity())
    shard_of = {tensor: shard for _, shard, tensor in entries}
    missing = sorted(set(written) - set(shard_of), key=lambda tensor: (len(written[tensor]), tensor))
    encoder = None
    for shard, keys in _shards(missing, config.texts_per_shard, "encoding texts", progress):
        shard_of |= dict.fromkeys(keys, shard)
        if lake.exists(f"{TEXT_CACHE}/{shard}"):
            continue
        from models.text_encoders.minilm import load_text_encoder
        from trainers.data.encoding import encode_texts

        encoder = encoder or load_text_encoder(encoder_path)
        tensors = encode_texts(encoder, {key: written[key] for key in keys})
        write_tensors(lake.local_path(TEXT_CACHE), tensors, shard=shard)
    entries = [(key, shard_of[tensor], tensor) for key, tensor in tensor_of.items()]
    return _publish(lake, TEXT_CACHE, entries), len(written)


def _encode_latents(
    lake: Lake, config: EncodeConfig, mixtures: pl.DataFrame, progress: Progress
) -> tuple[list[str], int]:
    train = mixtures.filter(pl.col("split") == "train")
    shard_of_image = image_shards(lake, KEPT_IMAGES_PATH, PAIR_IMAGES_PATH)
    identity = _fit_codec_once(lake, config, _latent_keys(train), shard_of_image)
    codec = None
    entries = _read_index_of(lake, LATENT_CACHE, identity)
    shard_of = {key: shard for key, shard, _ in entries}
    wanted = _latent_keys(mixtures)
    missing = [key for key in wanted if key not in shard_of]
    for shard, keys in _shards(missing, config.latents_per_shard, "encoding images", progress):
        shard_of |= dict.fromkeys(keys, shard)
        if lake.exists(f"{LATENT_CACHE}/{shard}"):
            continue
        from models.codecs.patch_codec import PatchCodec
        from trainers.data.encoding import encode_images

        codec = codec or PatchCodec.from_pretrained(str(lake.local_path(CODEC)))
        latents = encode_images(codec, _read_pixels(lake, keys, shard_of_image))
        write_tensors(lake.local_path(LATENT_CACHE), latents, shard=shard)
    return _publish(lake, LATENT_CACHE, [(key, shard_of[key], key) for key in wanted]), len(wanted)


def _fit_codec_once(
    lake: Lake, config: EncodeConfig, train_keys: Sequence[str], shard_of_image: Mapping[str, str]
) -> str:
    """Returns the identity of the codec, after fitting it on training images if it isn't fitted yet."""
    order = numpy_generator(config.seed, "codec").permutation(len(train_keys))
    keys = sorted(train_keys[int(index)] for index in order[: config.codec_images])
    identity = digest([keys, config.codec_patch, config.codec_channels])
    is_whole = all(lake.exists(f"{CODEC}/{name}") for name in (MADE_WITH, *CODEC_FILES))
    if not is_whole or lake.read_json(f"{CODEC}/{MADE_WITH}") != identity:
        from trainers.data.encoding import fit_codec

        pixels = list(_read_pixels(lake, keys, shard_of_image).values())
        codec = fit_codec(pixels, patch=config.codec_patch, channels=config.codec_channels)
        codec.save_pretrained(str(lake.local_path(CODEC)))
        lake.write_json(f"{CODEC}/{MADE_WITH}", identity)
    return identity


def _latent_keys(mixtures: pl.DataFrame) -> list[str]:
    keys: set[str] = set(mixtures["target_key"])
    keys.update(mixtures["source_keys"].explode().drop_nulls())
    return sorted(keys)


def _read_pixels(lake: Lake, keys: Sequence[str], shard_of_image: Mapping[str, str]) -> dict[str, np.ndarray]:
    parts = {key: key.split("@") for key in keys}  # a key is image id @ height x width
    files = read_images(lake, dict(shard_of_image), {image_id for image_id, _ in parts.values()})
    pixels = {}
    for key, (image_id, shape) in parts.items():
        height, width = map(int, shape.split("x"))
        pixels[key] = cover_crop(decode(files[image_id]), height, width)
    return pixels


def _check_languages(languages: Sequence[str]) -> None:
    from models.text_encoders.minilm import TextEncoder

    unread = sorted(set(languages) - set(TextEncoder.languages))
    if unread:
        raise UnreadLanguageError(
            f"The mixtures have texts in {unread}, but the encoder supports {list(TextEncoder.languages)}. "
            "Remove the other languages from mixtures.languages."
        )


def _text_encoder_identity() -> str:
    from models.text_encoders.minilm import TextEncoder

    return TextEncoder.identity


def _read_index_of(lake: Lake, cache: str, identity: str) -> list[Entry]:
    """Returns the entries of a cache whose shards exist, after emptying it if another encoder made it."""
    encoder = f"{cache}/{MADE_WITH}"
    if not lake.exists(encoder) or lake.read_json(encoder) != identity:
        for path in lake.list(cache):
            lake.delete(path)
        lake.write_json(encoder, identity)
    shards = {path.rpartition("/")[2] for path in lake.list(cache)}
    return [entry for entry in read_index(lake.local_path(cache)) if entry[1] in shards]


def _shards(
    keys: Sequence[str], size: int, what: str, progress: Progress
) -> Iterator[tuple[str, Sequence[str]]]:
    parts = [keys[start : start + size] for start in range(0, len(keys), size)]
    for part in tracked(parts, len(parts), what, progress):
        yield f"{digest(list(part))}.safetensors", part


def _publish(lake: Lake, cache: str, entries: Sequence[Entry]) -> list[str]:
    """Writes the index and deletes shards that it no longer names; returns the files of the cache."""
    write_index(lake.local_path(cache), entries)
    files = sorted({f"{cache}/{shard}" for _, shard, _ in entries} | {f"{cache}/{INDEX_NAME}"})
    for path in lake.list(cache):
        if path not in files and path != f"{cache}/{MADE_WITH}":
            lake.delete(path)
    return files
