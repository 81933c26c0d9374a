import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from models.codecs.patch_codec import PatchCodec, PatchSizeError, fit_patch_codec, patchify, unpatchify


@pytest.fixture(scope="module")
def images():
    """Smooth random pictures: their patches have a steep spectrum, as photographs do."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(40, 3, 5, 5, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bicubic").clamp(-2, 2) / 2


def test_patches_are_cut_and_joined_without_loss(images):
    assert torch.equal(unpatchify(patchify(images, 8), 8), images)
    assert patchify(images, 8).shape == (40, 4, 4, 192)


def test_latents_are_those_of_scikit_learns_whitened_pca(images):
    codec = fit_patch_codec(images, patch=8, channels=6)
    patches = patchify(images, 8).flatten(0, 2).double().numpy()
    oracle = PCA(6, whiten=True, svd_solver="full").fit(patches)
    expected = oracle.transform(patches) * np.sqrt(len(patches) / (len(patches) - 1))
    found = codec.encode(images).movedim(1, -1).flatten(0, 2).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=2e-3)
    restored = codec.decode(codec.encode(images)).numpy()
    best = oracle.inverse_transform(oracle.transform(patches))
    oracle_error = np.mean((best - patches) ** 2)
    assert np.mean((restored - images.numpy()) ** 2) == pytest.approx(oracle_error, rel=1e-3)


def test_channels_are_white(images):
    latents = fit_patch_codec(images, patch=8, channels=6).encode(images).movedim(1, -1).flatten(0, 2)
    np.testing.assert_allclose(latents.T @ latents / len(latents), np.eye(6), atol=1e-3)


def test_all_components_restore_the_picture(images):
    codec = fit_patch_codec(images, patch=4, channels=48)
    np.testing.assert_allclose(codec.decode(codec.encode(images)), images, atol=1e-3)


def test_fitting_twice_gives_equal_bits_and_fixed_signs(images):
    one, two = (fit_patch_codec(images, patch=8, channels=6) for _ in range(2))
    assert all(torch.equal(one.state_dict()[name], value) for name, value in two.state_dict().items())
    largest = one.basis.gather(1, one.basis.abs().argmax(1, keepdim=True))
    assert bool((largest > 0).all())


def test_saved_codec_is_the_same_codec(images, tmp_path):
    codec = fit_patch_codec(images, patch=8, channels=6)
    codec.save_pretrained(tmp_path)
    loaded = PatchCodec.from_pretrained(str(tmp_path))
    assert torch.equal(loaded.encode(images), codec.encode(images))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_sides_that_do_not_divide_are_an_error():
    with pytest.raises(PatchSizeError):
        PatchCodec(patch=8, channels=4).encode(torch.zeros(1, 3, 30, 32))
