import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from toy_pipeline import TOY, picture, save_text_encoder, save_toy_pipeline

import models.editor.saved_pipeline
from models.codecs.patch_codec import PatchCodec, fit_patch_codec
from models.common.seeding import torch_generator
from models.editor.saved_pipeline import NameCollisionError, save_pipeline, self_contained_source
from models.editor.transformer import build_editor, load_editor, save_editor
from models.registry.registry import folder_sha256


def test_equal_parts_give_equal_bytes(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    first = save_toy_pipeline(tmp_path / "a")
    second = save_toy_pipeline(tmp_path / "elsewhere" / "b")
    assert folder_sha256(first) == folder_sha256(second)
    assert folder_sha256(first) != folder_sha256(save_toy_pipeline(tmp_path / "c", seed=1))


def test_equal_weights_from_two_paths_give_equal_bytes(tmp_path):
    folders = []
    for name in ("first", "second home/training"):
        weights, codec = tmp_path / name / "final", tmp_path / name / "codec"
        save_editor(build_editor(TOY, 0), weights)
        pixels = torch.rand(8, 3, 64, 64, generator=torch_generator(0, "codec")) * 2 - 1
        fit_patch_codec(pixels, patch=8, channels=16).save_pretrained(str(codec))
        folder = tmp_path / name / "pipeline"
        save_pipeline(
            folder,
            transformer=load_editor(weights),
            codec=PatchCodec.from_pretrained(str(codec)),
            text_encoder_folder=save_text_encoder(tmp_path / name / "text"),
            resolution_shift=None,
            sample_size=64,
        )
        folders.append(folder)
    assert folder_sha256(folders[0]) == folder_sha256(folders[1])
    files = [path for path in folders[1].rglob("*.json") if b"second home" in path.read_bytes()]
    assert files == []


def test_saving_again_replaces_what_was_there(tmp_path):
    folder = save_toy_pipeline(tmp_path / "a", seed=1)
    (folder / "left_over.txt").write_text("old")
    save_toy_pipeline(folder, seed=0)
    assert folder_sha256(folder) == folder_sha256(save_toy_pipeline(tmp_path / "b", seed=0))


def test_weights_are_safetensors_and_nothing_else(tmp_path):
    folder = save_toy_pipeline(tmp_path / "a")
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".py", ".safetensors"}


def test_two_versions_in_one_process_each_run_their_own_code(tmp_path, monkeypatch):
    folders = [save_toy_pipeline(tmp_path / "old")]

    def inverted(module: str) -> str:
        return self_contained_source(module).replace("* 127.5).round()", "* 127.5).round().neg().add(255)")

    monkeypatch.setattr(models.editor.saved_pipeline, "self_contained_source", inverted)
    folders.append(save_toy_pipeline(tmp_path / "new"))
    pipelines = [DiffusionPipeline.from_pretrained(folder, trust_remote_code=True) for folder in folders]
    old, new = (
        np.asarray(one(picture(1), "make it darker", generator=torch_generator(0, "n")).images[0])
        for one in pipelines
    )
    np.testing.assert_array_equal(old, 255 - new)


def test_the_code_in_the_folder_imports_nothing_of_ours(tmp_path):
    folder = save_toy_pipeline(tmp_path / "a")
    code = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    ours = ("models", "assets", "trainers", "benchmarks", "orchestration")
    assert not [
        line for line in code.splitlines() if line.lstrip().startswith(tuple(f"from {p}" for p in ours))
    ]
    index = json.loads((folder / "model_index.json").read_text())
    assert (folder / f"{index['_class_name'][0]}.py").exists()
    assert (folder / "codec" / f"{index['codec'][0]}.py").exists()


def test_names_that_would_hide_each_other_are_refused(tmp_path, monkeypatch):
    (tmp_path / "first.py").write_text(
        "from models.second import other\n\n\ndef same():\n    return other()\n"
    )
    (tmp_path / "second.py").write_text("def other():\n    return 1\n\n\ndef same():\n    return 2\n")
    monkeypatch.setattr(models.editor.saved_pipeline, "MODELS", Path(tmp_path))
    with pytest.raises(NameCollisionError) as caught:
        self_contained_source("first")
    assert caught.value.names == {"same"}
