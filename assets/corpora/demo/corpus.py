"""The demo corpus: photographs as files in the inbox, and copies of them with known defects."""

import json
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from assets.corpora.batches import delete_batches
from assets.corpora.config import DemoCorpusConfig
from assets.corpora.demo.crops import Split, SplitImages, choose_images
from assets.corpora.demo.photographs import FolderContents, built_in_photographs, folder_photographs
from assets.corpora.demo.planted import DemoFile, clean_files, image_quotas, planted_files
from assets.corpora.readers.metadata import METADATA_NAMES
from assets.corpora.readers.reader import CorpusError
from assets.lake.contact_sheet import MAX_COLUMNS, LabelledRow, contact_sheet
from assets.lake.ids import content_id, digest, record_id
from assets.lake.lake import Lake
from assets.lake.paths import TRUTH_PATH
from assets.lake.steps import StepOutput
from models.common.pixels import decode
from models.common.progress import Progress, tracked

TRUTH: Mapping[str, pl.DataType] = {
    "record_id": pl.String(),
    "path": pl.String(),
    "image_id": pl.String(),  # null if the planted file is unreadable
    "defect": pl.String(),
    "parent_record_id": pl.String(),  # the clean image that it copies; null if it copies none
}
UNREADABLE_DEFECTS = ("truncated", "not_an_image")


def make_demo_corpus(lake: Lake, config: DemoCorpusConfig, progress: Progress) -> StepOutput:
    """Writes `inbox/<corpus>` with its `metadata.jsonl`, and a table of the planted defects.

    An earlier corpus of that name is replaced; its batches and everything ingested from them are deleted.

    Args:
        lake: holds the inbox.
        config: which photographs, how many images, how large, how many defects.
        progress: called for each file written.

    Raises:
        CorpusError: the folder has no readable image, or too few to hold some out.
    """
    quotas = image_quotas(config)
    total = sum(sum(counts) for counts in quotas.values())
    folder = _photographs(config, total, progress)
    progress("cutting photographs", 0, len(folder.photographs))
    by_split = choose_images(folder.photographs, config, quotas)
    _check(by_split, folder, config)
    clean = clean_files(by_split)
    files = [*clean, *planted_files(config, by_split, clean), *_unreadable_files(folder)]
    paths = _write(lake, config.corpus, files, progress)
    facts = {
        "photographs": len(folder.photographs),
        "pictures": {split: len(split_images.clean) for split, split_images in by_split.items()},
        "planted": _counts(files),
        "unreadable": [{"path": path} for path, _ in folder.unreadable],
        "left_out": [{"path": path, "reason": reason} for path, reason in folder.skipped],
    }
    return StepOutput((*paths, TRUTH_PATH), len(files), facts, contact_sheet(_preview(files)))


def _photographs(config: DemoCorpusConfig, count: int, progress: Progress) -> FolderContents:
    if config.images is None:
        return FolderContents(tuple(built_in_photographs()), (), ())
    return folder_photographs(config.images, config, count=count, progress=progress)


def _check(by_split: Mapping[Split, SplitImages], folder: FolderContents, config: DemoCorpusConfig) -> None:
    for split, split_images in by_split.items():
        if not split_images.clean:
            raise CorpusError(
                f"The {len(folder.photographs)} readable images of {config.images or 'the built-in set'} "
                f"give no {split} image. Give at least two images, or one of at least 72 pixels on each "
                "side that is sharp and has more than one tone."
            )


def _unreadable_files(folder: FolderContents) -> Iterator[DemoFile]:
    for name, path in folder.unreadable:
        # An unreadable file shares no pixels with any other, so it is a group of its own.
        group = digest(["group", name])
        yield DemoFile(f"photographs/{name}", path, "train", group, "unknown", text=None, category=None)


def _write(lake: Lake, corpus: str, files: Sequence[DemoFile], progress: Progress) -> list[str]:
    delete_batches(lake, corpus)
    inbox = f"inbox/{corpus}"
    ordered = sorted(files, key=lambda file: file.path)
    paths = [f"{inbox}/{file.path}" for file in ordered]
    for stale in sorted(set(lake.list(inbox)) - set(paths)):
        lake.delete(stale)
    for path, file in zip(
        tracked(paths, len(paths), "writing the demo corpus", progress), ordered, strict=True
    ):
        lake.write_bytes(path, file.data)
    lines = "".join(_metadata(file) + "\n" for file in ordered)
    lake.write_bytes(f"{inbox}/{METADATA_NAMES[0]}", lines.encode())
    truth = [_truth(corpus, file) for file in files if file.defect is not None]
    lake.write_table(TRUTH_PATH, pl.DataFrame(truth, schema=dict(TRUTH), orient="row").sort("path"), TRUTH)
    return [*paths, f"{inbox}/{METADATA_NAMES[0]}"]


def _metadata(file: DemoFile) -> str:
    fields = {
        "file_name": file.path,
        "text": file.text,
        "license": file.license,
        "group_id": file.group_id,
        "split": file.split,
        "category": file.category,
    }
    return json.dumps(fields, ensure_ascii=False)


def _truth(corpus: str, file: DemoFile) -> dict[str, str | None]:
    return {
        "record_id": record_id(corpus, file.path),
        "path": file.path,
        "image_id": None if file.defect in UNREADABLE_DEFECTS else content_id(file.data),
        "defect": file.defect,
        "parent_record_id": record_id(corpus, file.parent) if file.parent else None,
    }


def _counts(files: Sequence[DemoFile]) -> dict[str, int]:
    defects = [file.defect for file in files if file.defect is not None]
    return {defect: defects.count(defect) for defect in sorted(set(defects))}


def _preview(files: Sequence[DemoFile]) -> list[LabelledRow]:
    rows: list[LabelledRow] = []
    for split in ("train", "heldout"):
        clean = [file.data for file in files if file.defect is None and file.split == split]
        rows.append((f"{split}, as they are", [decode(data, 96) for data in clean[:MAX_COLUMNS]]))
    by_defect = {file.defect: file.data for file in files if file.defect not in (None, *UNREADABLE_DEFECTS)}
    defects = sorted(str(defect) for defect in by_defect)
    for start in range(0, len(defects), MAX_COLUMNS):
        names = defects[start : start + MAX_COLUMNS]
        rows.append(("planted: " + ", ".join(names), [decode(by_defect[name], 96) for name in names]))
    return rows
