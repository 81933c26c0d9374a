import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from models.common.weights import ArchitectureError
from models.descriptors.copy_descriptor import (
    CopyDescriptor,
    WeightsChangedError,
    describe_images,
    load_descriptor,
    new_descriptor,
    save_descriptor,
    weights_digest,
)

SQUARES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


def test_it_has_the_size_of_the_prototype():
    parameters = sum(parameter.numel() for parameter in CopyDescriptor().parameters())
    assert 1_150_000 < parameters < 1_300_000


def test_vectors_have_unit_length():
    vectors = new_descriptor(0).eval().describe(SQUARES)
    assert vectors.shape == (5, 128)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_mirror_image_has_the_same_vector():
    model = new_descriptor(0).eval()
    assert np.allclose(model.describe(SQUARES), model.describe(SQUARES[:, :, ::-1]), atol=1e-5)


def test_nothing_to_describe_gives_no_vectors():
    assert new_descriptor(0).describe(SQUARES[:0]).shape == (0, 128)


def test_weights_follow_from_the_seed_alone():
    first, again, other = (new_descriptor(seed).head.weight for seed in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)


def test_a_saved_descriptor_comes_back_with_the_same_vectors(tmp_path):
    model = new_descriptor(3).eval()
    save_descriptor(model, tmp_path)
    assert (load_descriptor(tmp_path).describe(SQUARES) == model.describe(SQUARES)).all()


def test_a_folder_with_another_architecture_is_refused(tmp_path):
    save_descriptor(new_descriptor(0), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet50"}))
    with pytest.raises(ArchitectureError) as caught:
        load_descriptor(tmp_path)
    assert caught.value.found == "resnet50"


def test_pictures_of_any_shape_get_a_row_each(tmp_path):
    save_descriptor(new_descriptor(0), tmp_path)
    pictures = [np.zeros((30, 90, 3), np.uint8), SQUARES[0]]
    rows = describe_images(tmp_path, weights_digest(tmp_path), pictures)
    assert [len(row["vector"]) for row in rows] == [128, 128]
    assert describe_images(tmp_path, weights_digest(tmp_path), []) == []


def test_vectors_are_never_taken_from_other_weights_than_the_measure_names(tmp_path):
    save_descriptor(new_descriptor(0), tmp_path)
    digest = weights_digest(tmp_path)
    save_descriptor(new_descriptor(1), tmp_path)
    with pytest.raises(WeightsChangedError):
        describe_images(tmp_path, digest, [SQUARES[0]])


def test_the_measure_travels_to_worker_processes(tmp_path):
    from assets.measured.registry import descriptor_measure

    save_descriptor(new_descriptor(0), tmp_path)
    measure = descriptor_measure(tmp_path)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as worker:
        (row,) = worker.submit(measure.run, [SQUARES[0]]).result()
    assert row == measure.run([SQUARES[0]])[0]
