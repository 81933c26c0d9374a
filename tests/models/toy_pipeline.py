"""A pipeline of toy size with a text encoder of its own, so that no weights are needed."""

from pathlib import Path

import torch
from PIL import Image
from transformers import BertConfig, BertModel, BertTokenizer

from models.codecs.patch_codec import fit_patch_codec
from models.common.seeding import numpy_generator, torch_generator
from models.editor.config import EditorConfig
from models.editor.saved_pipeline import save_pipeline
from models.editor.transformer import build_editor

WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "make",
    "the",
    "picture",
    "brighter",
    "darker",
    "it",
    ".",
)
TOY = EditorConfig(
    latent_channels=16, layers=1, heads=2, head_dim=32, text_dim=32, rope_axes=(8, 12, 12), zero_cond_t=True
)


def picture(seed: int, height: int = 64, width: int = 64) -> Image.Image:
    """A smooth coloured picture."""
    small = numpy_generator(seed, "picture").integers(0, 256, (4, 4, 3), dtype="uint8")
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def save_text_encoder(folder: Path) -> Path:
    """Returns the folder of a BERT of 32 channels that knows a dozen words."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=len(WORDS), **shape)).save_pretrained(folder)
    return folder


def save_toy_pipeline(folder: Path, *, seed: int = 0) -> Path:
    """Returns a saved pipeline folder; other seeds give other weights."""
    encoder = folder.parent / "toy_text_encoder"
    pixels = torch.rand(8, 3, 64, 64, generator=torch_generator(0, "codec")) * 2 - 1
    save_pipeline(
        folder,
        transformer=build_editor(TOY, seed),
        codec=fit_patch_codec(pixels, patch=8, channels=16),
        text_encoder_folder=encoder if encoder.exists() else save_text_encoder(encoder),
        resolution_shift=None,
        sample_size=64,
    )
    return folder
