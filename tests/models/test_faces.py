"""The way from ONNX files to likeness of faces, with tiny networks of the real ones' inputs and outputs.

The real files of OpenCV's model zoo are not ours to ship. The detector of these tests finds white squares of
the 32-pixel grid, the recognizer describes what lies between their landmarks by its colours.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.faces import Face, FaceWeightsError, OpenCvFaces, Weights, identity_similarity, weights_in

STRIDES = (8, 16, 32)
LANDMARKS = [0.2, 0.3, 0.8, 0.3, 0.5, 0.5, 0.3, 0.8, 0.7, 0.8]
"""Eyes, nose and corners of the mouth, in cells from the corner of a cell."""


def saved(path: Path, nodes, inputs, outputs, constants) -> Path:
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def detector(path: Path) -> Path:
    """Writes a network with YuNet's twelve outputs, of which those at stride 32 find white cells."""
    constants = {
        "grey": np.full((1, 3, 1, 1), 1 / 3, np.float32),
        "steep": np.float32(0.5),
        "bright": np.float32(-120.0),
        "zero": np.float32(0.0),
    }
    nodes = [helper.make_node("Conv", ["input", "grey"], ["light"], kernel_shape=[1, 1])]
    outputs = {}
    for stride in STRIDES:
        nodes.append(
            helper.make_node(
                "AveragePool", ["light"], [f"cell{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2
            )
        )
        for name, values in {
            "cls": [0.0],
            "obj": [0.0],
            "bbox": [0.5, 0.5, 0.0, 0.0],
            "kps": LANDMARKS,
        }.items():
            count = len(values)
            constants[f"{name}{stride}w"] = np.zeros((count, 1, 1, 1), np.float32)
            constants[f"{name}{stride}b"] = np.array(values, np.float32)
            constants[f"{name}{stride}s"] = np.array([1, -1, count], np.int64)
            source = f"cell{stride}"
            if name in ("cls", "obj"):
                nodes += [
                    helper.make_node(
                        "Mul", [source, "steep" if stride == 32 else "zero"], [f"{name}{stride}m"]
                    ),
                    helper.make_node("Add", [f"{name}{stride}m", "bright"], [f"{name}{stride}a"]),
                    helper.make_node("Sigmoid", [f"{name}{stride}a"], [f"{name}{stride}p"]),
                ]
            else:
                parts = [source, f"{name}{stride}w", f"{name}{stride}b"]
                nodes.append(helper.make_node("Conv", parts, [f"{name}{stride}p"], kernel_shape=[1, 1]))
            nodes += [
                helper.make_node("Transpose", [f"{name}{stride}p"], [f"{name}{stride}t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}{stride}t", f"{name}{stride}s"], [f"{name}_{stride}"]),
            ]
            outputs[f"{name}_{stride}"] = [1, None, count]
    return saved(path, nodes, {"input": [1, 3, None, None]}, outputs, constants)


def recognizer(path: Path) -> Path:
    """Writes a network with SFace's input and output: 128 mean colours of an aligned face."""
    nodes = [
        helper.make_node("AveragePool", ["data"], ["cells"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Reshape", ["cells", "flat"], ["all"]),
        helper.make_node("Slice", ["all", "from", "to", "axis"], ["fc1"]),
    ]
    constants = {
        "flat": np.array([1, 192], np.int64),
        "from": np.array([0], np.int64),
        "to": np.array([128], np.int64),
        "axis": np.array([1], np.int64),
    }
    return saved(path, nodes, {"data": [1, 3, 112, 112]}, {"fc1": [1, 128]}, constants)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("faces")
    detector(place / "face_detection_yunet_toy.onnx")
    recognizer(place / "face_recognition_sface_toy.onnx")
    return place


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
    with pytest.raises(FaceWeightsError, match="There is no file"):
        OpenCvFaces(Weights(tmp_path / "none.onnx", folder / "face_recognition_sface_toy.onnx"))


def test_networks_given_the_wrong_way_round_are_told_at_once(folder):
    files = weights_in(folder)
    with pytest.raises(FaceWeightsError, match="another network than it should be"):
        OpenCvFaces(Weights(files.recognizer, files.detector))
