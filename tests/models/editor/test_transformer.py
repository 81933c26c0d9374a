import numpy as np
import pytest
import torch

from models.editor.config import EditorConfig
from models.editor.transformer import (
    OddLatentsError,
    build_editor,
    dead_parameters,
    load_editor,
    pack,
    predict_velocity,
    save_editor,
    unpack,
)

TINY = EditorConfig(
    latent_channels=4, layers=2, heads=2, head_dim=16, text_dim=8, rope_axes=(4, 6, 6), zero_cond_t=False
)


@pytest.fixture(scope="module")
def editor():
    return build_editor(TINY, seed=1)


def velocity(editor, noisy, references, text, mask, sigma):
    with torch.no_grad():
        return predict_velocity(editor, noisy, references, text=text, text_mask=mask, sigma=sigma)


def inputs(batch=2, tokens=5):
    generator = torch.Generator().manual_seed(0)
    noisy, reference = torch.randn(2, batch, 4, 4, 6, generator=generator)
    text = torch.randn(batch, tokens, 8, generator=generator)
    mask = torch.ones(batch, tokens, dtype=torch.bool)
    return noisy, reference, text, mask, torch.linspace(0.2, 0.9, batch)


def test_packing_is_channel_major_two_by_two():
    latents = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    tokens = pack(latents)
    assert tokens.shape == (2, 6, 12)
    # Token 4 is block row 1, block column 1: rows 2 and 3, columns 2 and 3 of every channel in turn.
    expected = [
        latents[1, channel, row, column] for channel in range(3) for row in (2, 3) for column in (2, 3)
    ]
    assert tokens[1, 4].tolist() == torch.stack(expected).tolist()


def test_unpacking_undoes_packing():
    latents = torch.randn(2, 16, 6, 4)
    assert torch.equal(unpack(pack(latents), 6, 4), latents)


def test_packing_refuses_odd_sides():
    with pytest.raises(OddLatentsError):
        pack(torch.zeros(1, 4, 3, 4))


def test_six_tensors_of_the_last_block_are_frozen_and_are_exactly_those_without_gradient(editor):
    noisy, reference, text, mask, sigma = inputs()
    fresh = build_editor(TINY, seed=1).requires_grad_(True)
    # Unfreeze all: whatever gets no gradient at all can't reach the output.
    predict_velocity(fresh, noisy, [reference], text=text, text_mask=mask, sigma=sigma).pow(
        2
    ).sum().backward()
    without = [name for name, parameter in fresh.named_parameters() if parameter.grad is None]
    last = "transformer_blocks.1."
    assert sorted(dead_parameters(fresh)) == sorted(without)
    assert sorted(without) == sorted(
        last + name + part
        for name in ("attn.to_add_out", "txt_mlp.net.0.proj", "txt_mlp.net.2")
        for part in (".weight", ".bias")
    )
    frozen = [name for name, parameter in editor.named_parameters() if not parameter.requires_grad]
    assert sorted(frozen) == sorted(without)


def test_weights_depend_on_the_seed_and_on_nothing_drawn_before():
    torch.manual_seed(5)
    first = build_editor(TINY, seed=1).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(5)
    torch.rand(100)
    again, other = build_editor(TINY, seed=1).state_dict(), build_editor(TINY, seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["img_in.weight"], other["img_in.weight"])
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1)), "building a model must leave the global generator alone"


def test_padding_tokens_change_nothing(editor):
    noisy, reference, text, mask, sigma = inputs()
    padded = torch.cat([text, torch.full((2, 3, 8), 7.0)], dim=1)
    padded_mask = torch.cat([mask, torch.zeros(2, 3, dtype=torch.bool)], dim=1)
    expected = velocity(editor, noisy, [reference], text, mask, sigma)
    found = velocity(editor, noisy, [reference], padded, padded_mask, sigma)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_samples_of_a_batch_do_not_mix(editor):
    noisy, reference, text, mask, sigma = inputs()
    both = velocity(editor, noisy, [reference], text, mask, sigma)
    alone = velocity(editor, noisy[1:], [reference[1:]], text[1:], mask[1:], sigma[1:])
    np.testing.assert_allclose(both[1:], alone, atol=1e-5)


def test_order_of_references_matters_but_each_is_seen(editor):
    noisy, reference, text, mask, sigma = inputs()
    other = reference.flip(-1)
    one = velocity(editor, noisy, [reference, other], text, mask, sigma)
    two = velocity(editor, noisy, [other, reference], text, mask, sigma)
    none = velocity(editor, noisy, [], text, mask, sigma)
    assert one.shape == two.shape == none.shape == noisy.shape
    assert not torch.allclose(one, two, atol=1e-4)
    assert not torch.allclose(one, none, atol=1e-4)


def test_a_reference_of_another_batch_size_is_an_error(editor):
    noisy, reference, text, mask, sigma = inputs()
    with pytest.raises(AssertionError):
        velocity(editor, noisy, [reference[:1]], text, mask, sigma)


def test_saved_editor_predicts_the_same(editor, tmp_path):
    save_editor(editor, tmp_path / "editor")
    loaded = load_editor(tmp_path / "editor")
    assert sorted(path.suffix for path in (tmp_path / "editor").iterdir()) == [".json", ".safetensors"]
    noisy, reference, text, mask, sigma = inputs()
    expected = velocity(editor, noisy, [reference], text, mask, sigma)
    assert torch.equal(velocity(loaded, noisy, [reference], text, mask, sigma), expected)
    assert not loaded.get_parameter(dead_parameters(loaded)[0]).requires_grad


@pytest.mark.parametrize("axes", [(4, 6, 8), (5, 5, 6)])
def test_rotary_axes_that_do_not_fit_a_head_are_an_error(axes):
    with pytest.raises(ValueError, match="rope_axes"):
        EditorConfig(**TINY.model_dump() | {"rope_axes": axes})
