"""Saves a pipeline as a folder that diffusers can load without Emberline."""

import ast
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from transformers import AutoTokenizer, BertModel

from models.editor.config import ResolutionShift
from models.editor.pipeline import EmberlineEditPipeline

MODELS = Path(__file__).parents[1]

LOADED_FROM = ("_name_or_path", "name_or_path")
"""Keys under which diffusers and transformers store the folder that a component was loaded from."""


class NameCollisionError(ValueError):
    """Modules that are copied into one file define the same name.

    Attributes:
        names: the names defined more than once.
    """

    def __init__(self, names: set[str], modules: Iterable[str]) -> None:
        self.names = names
        super().__init__(
            f"{', '.join(modules)} are copied into one file, but more than one defines "
            f"{', '.join(sorted(names))}."
        )


def save_pipeline(
    folder: Path,
    *,
    transformer: QwenImageTransformer2DModel,
    codec: ModelMixin,
    text_encoder_folder: Path,
    resolution_shift: ResolutionShift | None,
    sample_size: int,
) -> None:
    """Writes a self-contained diffusers folder; equal components give equal bytes.

    Args:
        folder: is created when complete, and replaces an existing folder.
        transformer: the trained editor.
        codec: converts pixels to latents and back; its class must be in `models/`.
        text_encoder_folder: from `models.text_encoders.minilm.find_text_encoder`.
        resolution_shift: the shift of noise levels in training, or None.
        sample_size: side in pixels of the training images.
    """
    pipeline = EmberlineEditPipeline(
        transformer=transformer,
        scheduler=scheduler_with(resolution_shift),
        codec=codec,
        text_encoder=BertModel.from_pretrained(str(text_encoder_folder), local_files_only=True),
        tokenizer=AutoTokenizer.from_pretrained(str(text_encoder_folder), local_files_only=True),
        sample_size=sample_size,
    )
    temporary = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(temporary, ignore_errors=True)
    pipeline.save_pretrained(temporary, safe_serialization=True)
    _remove_local_paths(temporary)
    _write_code(temporary, codec_module=type(codec).__module__, codec_class=type(codec).__name__)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)


def scheduler_with(shift: ResolutionShift | None) -> FlowMatchEulerDiscreteScheduler:
    """Returns the scheduler with the noise levels of `models.editor.sampling.sigma_schedule`."""
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
    """Returns the source of a module of `models`, as `editor.pipeline`, after the sources that it imports.

    Raises:
        NameCollisionError: two of these modules define the same name.
    """
    parts: dict[str, str] = {}
    _collect(module, parts)
    source = "\n\n\n".join(parts.values()) + "\n"
    names = sorted(_defined_names(source))
    repeated = {name for name, following in pairwise(names) if name == following}
    if repeated:
        raise NameCollisionError(repeated, parts)
    return source


def _remove_local_paths(folder: Path) -> None:
    """Removes where components were loaded from, so that equal weights are equal files on any machine."""
    for file in folder.rglob("*.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(config, dict) and not config.keys().isdisjoint(LOADED_FROM):
            kept = {key: value for key, value in config.items() if key not in LOADED_FROM}
            file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_code(folder: Path, *, codec_module: str, codec_class: str) -> None:
    # diffusers caches the code of all local folders in one place by file name. With a digest in the name, two
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
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("models."):
            dependency = str(node.module).removeprefix("models.")
            if dependency not in parts:
                _collect(dependency, parts)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            continue
        for line in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[line] = ""
    parts[module] = "\n".join(lines).strip()


def _defined_names(source: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
