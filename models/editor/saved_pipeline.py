"""A pipeline as a folder that diffusers opens where Emberline is not installed."""

import ast
import hashlib
import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from transformers import AutoTokenizer, BertModel

from models.editor.config import ResolutionShift
from models.editor.pipeline import EmberlineEditPipeline

MODELS = Path(__file__).parents[1]


def save_pipeline(
    folder: Path,
    *,
    transformer: QwenImageTransformer2DModel,
    codec: ModelMixin,
    text_encoder_folder: Path,
    resolution_shift: ResolutionShift | None,
    sample_size: int,
) -> None:
    """Writes a self-contained diffusers folder; equal parts give equal bytes.

    Args:
        folder: appears when it is complete; what was there is replaced.
        transformer: the trained editor.
        codec: pixels to latents and back, a class of `models/`.
        text_encoder_folder: from `models.text_encoders.minilm.find_text_encoder`.
        resolution_shift: what noise levels were shifted by in training; None where they were not.
        sample_size: side in pixels of the pictures that the editor was trained on.
    """
    pipeline = EmberlineEditPipeline(
        transformer=transformer,
        scheduler=scheduler_with(resolution_shift),
        codec=codec,
        text_encoder=BertModel.from_pretrained(str(text_encoder_folder), local_files_only=True),
        tokenizer=AutoTokenizer.from_pretrained(str(text_encoder_folder), local_files_only=True),
        sample_size=sample_size,
    )
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    pipeline.save_pretrained(unfinished, safe_serialization=True)
    _carry_code(unfinished, codec_module=type(codec).__module__, codec_class=type(codec).__name__)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def scheduler_with(shift: ResolutionShift | None) -> FlowMatchEulerDiscreteScheduler:
    """Returns the scheduler whose noise levels are those of `models.editor.sampling.sigma_schedule`."""
    if shift is None:
        return FlowMatchEulerDiscreteScheduler(shift=1.0)
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_image_seq_len=shift.base_tokens,
        max_image_seq_len=shift.max_tokens,
        base_shift=shift.base_mu,
        max_shift=shift.max_mu,
    )


def self_contained_source(module: str) -> str:
    """Returns the source of a module of `models`, such as `editor.pipeline`, after the sources that it imports.

    Raises:
        ValueError: two of these modules define the same name.
    """
    parts: dict[str, str] = {}
    _collect(module, parts)
    source = "\n\n\n".join(parts.values()) + "\n"
    names = sorted(_defined_names(source))
    twice = {name for name, following in pairwise(names) if name == following}
    if twice:
        raise ValueError(f"{', '.join(parts)} travel in one file, and more than one of them defines {twice}.")
    return source


def _carry_code(folder: Path, *, codec_module: str, codec_class: str) -> None:
    # diffusers keeps the code of all local folders in one place, by file name: with a digest in the name, two
    # versions of the pipeline in one process each run their own code.
    pipeline_file = _write_source(folder, "editor.pipeline")
    codec_file = _write_source(folder / "codec", codec_module.removeprefix("models."))
    index_file = folder / "model_index.json"
    index = json.loads(index_file.read_text(encoding="utf-8"))
    index["_class_name"] = [pipeline_file, EmberlineEditPipeline.__name__]
    index["codec"] = [codec_file, codec_class]
    index_file.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_source(folder: Path, module: str) -> str:
    source = self_contained_source(module)
    name = f"{module.rpartition('.')[2]}_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return name


def _collect(module: str, parts: dict[str, str]) -> None:
    source = MODELS.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("models."):
            continue
        dependency = str(node.module).removeprefix("models.")
        if dependency not in parts:
            _collect(dependency, parts)
        for line in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[line] = ""
    parts[module] = "\n".join(lines).strip()


def _defined_names(source: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
