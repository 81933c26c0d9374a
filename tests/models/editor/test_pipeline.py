import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from toy_pipeline import picture, save_toy_pipeline

from models.common.pixels import cover_crop
from models.common.seeding import numpy_generator, torch_generator
from models.editor.config import ResolutionShift
from models.editor.pipeline import EmberlineEditPipeline, PipelineInputError
from models.editor.sampling import sigma_schedule
from models.editor.saved_pipeline import scheduler_with


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> DiffusionPipeline:
    folder = save_toy_pipeline(tmp_path_factory.mktemp("pipeline") / "toy")
    return DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)


@pytest.fixture(scope="module")
def pipeline(saved) -> EmberlineEditPipeline:
    return EmberlineEditPipeline(**saved.components)


@pytest.fixture
def constant_velocity(pipeline):
    """The transformer answers one everywhere, whatever it is asked."""
    head = pipeline.transformer.proj_out
    kept = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(1.0)
    yield
    head.load_state_dict(kept)


def test_the_code_in_the_folder_edits_as_this_code_does(saved, pipeline):
    edits = [
        one(picture(1), "make it darker", generator=torch_generator(0, "n")) for one in (saved, pipeline)
    ]
    np.testing.assert_array_equal(*(np.asarray(edit.images[0]) for edit in edits))


def test_a_constant_velocity_moves_the_noise_by_exactly_that_much(pipeline, constant_velocity):
    latents = pipeline(
        picture(1), "make it darker", generator=torch_generator(0, "noise", "a"), output_type="latent"
    ).images
    noise = torch.randn(16, 8, 8, generator=torch_generator(0, "noise", "a"))
    torch.testing.assert_close(latents[0], noise - 1.0)


def test_the_picture_is_the_decoded_latent(pipeline):
    def edited(output_type):
        noise = torch_generator(0, "n")
        return pipeline(picture(1), "make it darker", generator=noise, output_type=output_type).images

    decoded = pipeline.codec.decode(edited("latent"))[0].clamp(-1, 1)
    expected = ((decoded.permute(1, 2, 0) + 1) * 127.5).round().numpy()
    np.testing.assert_array_equal(np.asarray(edited("pil")[0]), expected)


def test_a_sample_does_not_depend_on_its_batch(pipeline):
    pictures, prompts = [picture(1), picture(2)], ["make it darker", "make the picture brighter."]
    together = pipeline(
        pictures, prompts, generator=[torch_generator(0, "n", k) for k in (1, 2)], output_type="latent"
    ).images
    alone = pipeline(
        pictures[1], prompts[1], generator=[torch_generator(0, "n", 2)], output_type="latent"
    ).images
    torch.testing.assert_close(together[1], alone[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changed", ["instruction", "reference", "number of references"])
def test_the_edit_depends_on(pipeline, changed):
    def edit(image, prompt):
        return pipeline(image, prompt, generator=torch_generator(0, "n"), output_type="latent").images

    other = {
        "instruction": (picture(1), "make it darker"),
        "reference": (picture(2), "make it brighter"),
        "number of references": ([picture(1), picture(2)], "make it brighter"),
    }
    assert not torch.allclose(edit(picture(1), "make it brighter"), edit(*other[changed]))


def test_text_to_image_needs_no_reference(pipeline):
    result = pipeline(None, "make the picture", generator=torch_generator(0, "n"))
    assert result.images[0].size == (64, 64)


def test_the_output_has_the_size_that_was_asked_for(pipeline):
    result = pipeline(picture(1), "make it darker", height=32, width=80, generator=torch_generator(0, "n"))
    assert result.images[0].size == (80, 32)


def grain(height: int, width: int) -> Image.Image:
    return Image.fromarray(numpy_generator(0, "grain").integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("reference", "size"),
    [(grain(192, 192), (64, 64)), (grain(200, 300), (48, 80)), (grain(31, 47), (48, 80))],
)
def test_a_reference_is_fitted_as_training_fits_its_pictures(pipeline, monkeypatch, reference, size):
    seen = []
    encode = pipeline.codec.encode
    monkeypatch.setattr(pipeline.codec, "encode", lambda pixels: seen.append(pixels) or encode(pixels))
    result = pipeline(reference, "make it darker", num_inference_steps=1)
    assert result.images[0].size == size[::-1]
    expected = cover_crop(np.asarray(reference), *size)
    found = (seen[0][0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(found - expected).max() < 1.01  # of 255


def test_a_batch_of_several_shapes_is_refused_unless_its_size_is_given(pipeline):
    wide, high = picture(1, 40, 80), picture(2, 80, 40)
    with pytest.raises(PipelineInputError, match="several sizes: 48x96, 96x48") as caught:
        pipeline([wide, high], ["make it darker"] * 2)
    assert caught.value.argument == "image"
    with pytest.raises(PipelineInputError, match="4000x2 pixels is too oblong"):
        pipeline(picture(1, 2, 4000), "make it darker")
    result = pipeline([wide, high], ["make it darker"] * 2, height=64, width=64, num_inference_steps=1)
    assert [edit.size for edit in result.images] == [(64, 64)] * 2


@pytest.mark.parametrize(
    "shift", [None, ResolutionShift(base_tokens=16, max_tokens=64, base_mu=0.5, max_mu=0.9)]
)
def test_noise_levels_are_those_that_training_samples_with(pipeline, monkeypatch, shift):
    monkeypatch.setattr(pipeline, "scheduler", scheduler_with(shift))
    found = pipeline._sigmas(5, torch.zeros(1, 16, 12, 16))
    torch.testing.assert_close(found, sigma_schedule(5, shift.mu(48) if shift else 0.0))


ONE = picture(1)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": float("nan")}, "prompt"),
        ({"prompt": [None], "image": [ONE]}, "prompt"),
        ({"prompt": [], "image": []}, "prompt"),
        ({"prompt": "make it 更亮一些吧"}, "prompt"),
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"num_inference_steps": 2.5}, "num_inference_steps"),
        ({"height": 40}, "height"),
        ({"output_type": "jpeg"}, "output_type"),
        ({"image": "a.png"}, "image"),
        ({"image": [ONE, b"bytes"]}, "image"),
        ({"prompt": ["make it", "make it"]}, "image"),
        ({"prompt": ["make it"] * 2, "image": [ONE, [ONE, ONE]]}, "image"),
        ({"generator": [torch.Generator()] * 2}, "generator"),
    ],
)
def test_a_wrong_argument_is_named(pipeline, arguments, argument):
    with pytest.raises(PipelineInputError) as caught:
        pipeline(**{"image": ONE, "prompt": "make it", **arguments})
    assert caught.value.argument == argument
