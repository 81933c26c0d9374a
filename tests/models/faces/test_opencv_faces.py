"""The way from ONNX files to likeness of faces, with tiny networks of the real ones' inputs and outputs.

The real files of OpenCV's model zoo are not ours to ship. The detector of these tests finds white squares of
the 32-pixel grid, the recognizer describes what lies between their landmarks by its colours.
"""

from pathlib import Path

import numpy as np
import pytest
from toy_weights import faces_folder

from models.faces.opencv_faces import (
    Face,
    FaceWeightsError,
    OpenCvFaces,
    Weights,
    identity_similarity,
    weights_in,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return faces_folder(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def reader(folder) -> OpenCvFaces:
    return OpenCvFaces(weights_in(folder))


def scene(*cells: tuple[int, int], colour=(30, 60, 200), size=(192, 256)) -> np.ndarray:
    """Returns a picture with a white cell at each (row, column) of the 32-pixel grid."""
    picture = np.full((*size, 3), colour, np.uint8)
    for row, column in cells:
        picture[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = 255
    return picture


def face(*vector: float) -> Face:
    unit = np.array(vector, np.float32) / np.linalg.norm(vector)
    return Face(np.zeros(4), np.zeros((5, 2)), 1.0, unit)


def test_faces_are_found_where_they_are(reader):
    found = reader.faces(scene((1, 2), (4, 6)))
    boxes = sorted(face.box.round().astype(int).tolist() for face in found)
    assert boxes == [[64, 32, 32, 32], [192, 128, 32, 32]]
    assert all(face.score > 0.9 for face in found)
    assert all(np.linalg.norm(face.vector) == pytest.approx(1, abs=1e-5) for face in found)
    first = min(found, key=lambda face: face.box[0])
    assert first.landmarks[0].tolist() == pytest.approx([64 + 0.2 * 32, 32 + 0.3 * 32], abs=0.01)


def test_a_picture_without_a_face_has_none(reader):
    assert reader.faces(scene()) == []


def test_a_large_picture_is_searched_small_and_told_in_its_own_pixels(reader):
    large = np.kron(scene((2, 4), size=(256, 512)), np.ones((4, 4, 1), np.uint8))  # 1024 x 2048
    found = reader.faces(large)
    assert [face.box.round().tolist() for face in found] != []
    centre = found[0].box[:2] + found[0].box[2:] / 2
    assert np.abs(centre - [4.5 * 128, 2.5 * 128]).max() < 70


def test_the_same_face_is_alike_wherever_it_stands_and_another_is_less_so(reader):
    one, moved = reader.faces(scene((1, 2))), reader.faces(scene((3, 5)))
    other = reader.faces(scene((1, 2), colour=(200, 30, 30)))
    assert identity_similarity(one, moved) == pytest.approx(1, abs=1e-4)
    assert identity_similarity(one, other) < 0.999


def test_reading_the_same_picture_twice_gives_the_same(reader):
    first, second = reader.faces(scene((1, 2))), reader.faces(scene((1, 2)))
    assert first[0].vector.tobytes() == second[0].vector.tobytes()


def test_the_identity_tells_the_weights_apart(reader, folder):
    told = reader.identity
    assert told["detector"].startswith("face_detection_yunet_toy.onnx ")
    assert str(folder) not in str(told)


def test_each_face_has_one_partner_and_a_lost_one_counts_0():
    anna, ben = face(1, 0, 0), face(0, 1, 0)
    assert identity_similarity([anna, ben], [ben, anna]) == pytest.approx(1)
    assert identity_similarity([anna, ben], [anna]) == pytest.approx(0.5)
    assert identity_similarity([anna, anna], [anna]) == pytest.approx(0.5)
    assert identity_similarity([anna], [face(-1, 0, 0)]) == 0
    assert identity_similarity([anna], []) == 0
    assert identity_similarity([], [anna]) is None


def test_missing_and_broken_files_are_told_with_the_mend(folder, tmp_path):
    with pytest.raises(FaceWeightsError, match=r"0 files \*yunet\*.onnx, expected one"):
        weights_in(tmp_path)
    (tmp_path / "yunet.onnx").write_bytes(b"\x08\x07 no network")
    (tmp_path / "sface.onnx").write_bytes(b"")
    with pytest.raises(FaceWeightsError, match="OpenCV cannot load"):
        OpenCvFaces(weights_in(tmp_path))
    with pytest.raises(FaceWeightsError, match="does not exist"):
        OpenCvFaces(Weights(tmp_path / "none.onnx", folder / "face_recognition_sface_toy.onnx"))


def test_networks_given_the_wrong_way_round_are_told_at_once(folder):
    files = weights_in(folder)
    with pytest.raises(FaceWeightsError, match="not the expected network"):
        OpenCvFaces(Weights(files.recognizer, files.detector))
