import numpy as np
import pytest
import torch

from models.common.seeding import numpy_generator, torch_generator
from trainers.small.config import DescriptorTrainingConfig
from trainers.small.copy_augmentations import augment
from trainers.small.descriptor import (
    NoUnrelatedPairError,
    TooFewTrainingImagesError,
    calibrate_threshold,
    entropy_loss,
    info_nce_loss,
    train_descriptor,
)

TINY = DescriptorTrainingConfig(
    max_images=100,
    steps=4,
    batch_size=8,
    learning_rate=2e-3,
    warmup_steps=1,
    weight_decay=0.01,
    temperature=0.1,
    entropy_weight=1.0,
    checkpoint_every=2,
    threads=1,
    seed=0,
)
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 64, 64, 3), dtype=np.uint8)


def silent(what, done, total):
    pass


def unit(rows):
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def test_training_twice_gives_the_same_weights(tmp_path):
    first = train_descriptor(IMAGES, TINY, tmp_path / "a", silent).state_dict()
    again = train_descriptor(IMAGES, TINY, tmp_path / "b", silent).state_dict()
    assert all(first[name].equal(again[name]) for name in first)


def test_a_run_killed_between_checkpoints_ends_in_the_same_weights(tmp_path):
    def kill_at_three(what, done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_descriptor(IMAGES, TINY, tmp_path / "a", kill_at_three)
    resumed = train_descriptor(IMAGES, TINY, tmp_path / "a", silent).state_dict()
    whole = train_descriptor(IMAGES, TINY, tmp_path / "b", silent).state_dict()
    assert all(whole[name].equal(resumed[name]) for name in whole)


def test_one_image_cannot_be_told_apart_from_others(tmp_path):
    with pytest.raises(TooFewTrainingImagesError) as raised:
        train_descriptor(IMAGES[:1], TINY, tmp_path, silent)
    assert raised.value.count == 1


@pytest.mark.slow
def test_copies_end_nearer_than_other_images(tmp_path):
    config = TINY.model_copy(update={"steps": 40, "batch_size": 24})
    noise = numpy_generator(0, "test pictures").normal(size=(30, 3, 8, 8)).astype(np.float32)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(noise), size=64, mode="bicubic")
    pictures = (128 + 50 * smooth).clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    model = train_descriptor(pictures[:24], config, tmp_path, silent)
    unseen, darker = model.describe(pictures[24:]), model.describe((pictures[24:] * 0.8).astype(np.uint8))
    similarity = unseen @ darker.T
    assert (similarity.argmax(1) == np.arange(6)).all()


def test_infonce_of_perfect_pairs_has_its_closed_form():
    vectors = unit([[1, 0], [0, 1], [1, 0], [0, 1]])
    # each row: its other view at cosine 1, two rows of the other image at cosine 0
    expected = -np.log(np.e**10 / (np.e**10 + 2))
    assert info_nce_loss(vectors, 0.1).item() == pytest.approx(expected, abs=1e-6)


def test_infonce_prefers_the_right_pairing():
    vectors = unit([[1, 0], [0, 1], [1, 0], [0, 1]])
    assert info_nce_loss(vectors[[0, 1, 3, 2]], 0.1) > info_nce_loss(vectors, 0.1) + 5


def test_koleo_is_minus_the_log_distance_to_the_nearest_other_image():
    vectors = unit([[1, 0], [0, 1], [1, 0], [0, 1]])
    assert entropy_loss(vectors).item() == pytest.approx(-np.log(np.sqrt(2)), abs=1e-3)


def test_koleo_ignores_the_other_view_of_the_same_image():
    close, far = unit([[1, 0], [-1, 0], [1, 0.01], [-1, 0.01]]), unit([[1, 0], [-1, 0], [1, 0], [-1, 0]])
    assert entropy_loss(close).item() == pytest.approx(entropy_loss(far).item(), abs=1e-3)


def test_the_threshold_lets_the_asked_share_of_unrelated_pairs_pass():
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = [str(row) for row in range(200)]
    threshold = calibrate_threshold(vectors, groups, 0.01)
    cosines = (vectors @ vectors.T)[np.triu_indices(200, 1)]
    assert (cosines > threshold).mean() == pytest.approx(0.01, abs=1e-3)


def test_pairs_of_one_group_do_not_raise_the_threshold():
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    assert calibrate_threshold(vectors, ["a", "a", "b", "b"], 0.001) == 0
    with pytest.raises(NoUnrelatedPairError):
        calibrate_threshold(vectors, ["a"] * 4, 0.001)


def test_views_follow_from_their_generator_and_stay_in_range():
    pictures = torch.rand((6, 3, 64, 64), generator=torch_generator(0, "p")) * 2 - 1
    first, again, other = (augment(pictures, torch_generator(0, "views", step)) for step in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)
    assert first.shape == pictures.shape
    assert first.abs().max() <= 1


def test_views_keep_at_least_half_of_the_picture():
    across = torch.linspace(-1, 1, 64).expand(64, 64)
    ramp = torch.stack([across, across.T, torch.zeros(64, 64)]).expand(200, 3, 64, 64)
    views = augment(ramp, torch_generator(0, "views"))
    corner = views[:, :2].flatten(2)
    spans = corner.quantile(0.95, dim=2) - corner.quantile(0.05, dim=2)
    assert (spans.median(0).values > 0.7).all()  # of 2 for the whole ramp
