"""Tiny weights of the real architectures, made on the spot: what users bring is not ours to ship."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from models.similarity.lpips import LAYERS

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


def face_detector(path: Path) -> Path:
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


def face_recognizer(path: Path) -> Path:
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


def faces_folder(folder: Path) -> Path:
    """Writes both networks into a folder by the names that OpenCV's model zoo gives them, and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    face_detector(folder / "face_detection_yunet_toy.onnx")
    face_recognizer(folder / "face_recognition_sface_toy.onnx")
    return folder


def lpips_weights() -> dict[str, torch.Tensor]:
    """Returns tensors of AlexNet and LPIPS by their published names, drawn at random."""
    generator = torch.Generator().manual_seed(0)
    weights, incoming = {}, 3
    for number, (place, channels, kernel, _, _) in enumerate(LAYERS):
        shape = (channels, incoming, kernel, kernel)
        weights[f"features.{place}.weight"] = (
            torch.randn(shape, generator=generator) / (incoming * kernel**2) ** 0.5
        )
        weights[f"features.{place}.bias"] = torch.randn(channels, generator=generator) / 10
        weights[f"lin{number}.model.1.weight"] = torch.rand((1, channels, 1, 1), generator=generator)
        incoming = channels
    return weights


def lpips_folder(folder: Path) -> Path:
    """Writes such tensors as the two files that users have, and returns their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = lpips_weights()
    backbone = {name: tensor for name, tensor in weights.items() if name.startswith("features")}
    save_file(backbone, folder / "alexnet.safetensors")
    linear = {name: tensor for name, tensor in weights.items() if name.startswith("lin")}
    save_file(linear, folder / "alex.safetensors")
    return folder
