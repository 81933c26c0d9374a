"""The demo corpus: real photographs as files in the inbox, with known defects planted in copies of them."""

import json
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from assets.corpora.batches import forget_batches
from assets.corpora.config import DemoCorpusConfig
from assets.corpora.demo.crops import Cut, Split, cut_pieces
from assets.corpora.demo.photographs import Folder, built_in_photographs, folder_photographs
from assets.corpora.demo.planted import Entry, clean_entries, planted_entries, wanted_pieces
from assets.corpora.readers.folder import METADATA_FILE, CorpusError
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
    "image_id": pl.String(),  # null where the planted file is unreadable
    "defect": pl.String(),
    "parent_record_id": pl.String(),  # the clean picture that it copies, null where it copies none
}
UNREADABLE_DEFECTS = ("truncated", "not_an_image")


def make_demo_corpus(lake: Lake, config: DemoCorpusConfig, progress: Progress) -> StepOutput:
    """Writes `inbox/<corpus>` with its `metadata.jsonl`, and the truth of what was planted in it.

    A corpus that was there before is replaced, and its batches with all that was ingested from them go.

    Args:
        lake: where the inbox is.
        config: which photographs, how many pictures, how large, how many defects.
        progress: told of each file written.

    Raises:
        CorpusError: the folder holds no readable picture, or too little to hold some of it out.
    """
    wanted = wanted_pieces(config)
    total = sum(sum(counts) for counts in wanted.values())
    folder = _photographs(config, total, progress)
    progress("cutting photographs", 0, len(folder.photographs))
    cuts = cut_pieces(folder.photographs, config, wanted)
    _check(cuts, folder, config)
    clean = clean_entries(cuts)
    entries = [*clean, *planted_entries(config, cuts, clean), *_unreadable(folder)]
    paths = _write(lake, config.corpus, entries, progress)
    facts = {
        "photographs": len(folder.photographs),
        "pictures": {split: len(cut.clean) for split, cut in cuts.items()},
        "planted": _counts(entries),
        "unreadable": [{"path": path} for path, _ in folder.unreadable],
        "left_out": [{"path": path, "reason": reason} for path, reason in folder.left_out],
    }
    return StepOutput((*paths, TRUTH_PATH), len(entries), facts, contact_sheet(_preview(entries)))


def _photographs(config: DemoCorpusConfig, wanted: int, progress: Progress) -> Folder:
    if config.images is None:
        return Folder(tuple(built_in_photographs()), (), ())
    return folder_photographs(config.images, config, wanted=wanted, progress=progress)


def _check(cuts: Mapping[Split, Cut], folder: Folder, config: DemoCorpusConfig) -> None:
    for split, cut in cuts.items():
        if not cut.clean:
            raise CorpusError(
                f"The {len(folder.photographs)} readable pictures of {config.images or 'the wheels'} give no "
                f"{split} picture. Give two pictures or more, or one of at least 72 pixels a side that is "
                "sharp and not of one tone."
            )


def _unreadable(folder: Folder) -> Iterator[Entry]:
    for name, path in folder.unreadable:
        # It shares pixels with nothing, so it is a group of its own.
        group = digest(["group", name])
        yield Entry(f"photographs/{name}", path, "train", group, "unknown", text=None, category=None)


def _write(lake: Lake, corpus: str, entries: Sequence[Entry], progress: Progress) -> list[str]:
    forget_batches(lake, corpus)
    inbox = f"inbox/{corpus}"
    ordered = sorted(entries, key=lambda entry: entry.path)
    paths = [f"{inbox}/{entry.path}" for entry in ordered]
    for stale in sorted(set(lake.list(inbox)) - set(paths)):
        lake.delete(stale)
    for path, entry in zip(
        tracked(paths, len(paths), "writing the demo corpus", progress), ordered, strict=True
    ):
        lake.write_bytes(path, entry.data)
    lines = "".join(_metadata(entry) + "\n" for entry in ordered)
    lake.write_bytes(f"{inbox}/{METADATA_FILE}", lines.encode())
    truth = [_truth(corpus, entry) for entry in entries if entry.defect is not None]
    lake.write_table(TRUTH_PATH, pl.DataFrame(truth, schema=dict(TRUTH), orient="row").sort("path"), TRUTH)
    return [*paths, f"{inbox}/{METADATA_FILE}"]


def _metadata(entry: Entry) -> str:
    fields = {
        "file_name": entry.path,
        "text": entry.text,
        "license": entry.license,
        "group_id": entry.group_id,
        "split": entry.split,
        "category": entry.category,
    }
    return json.dumps(fields, ensure_ascii=False)


def _truth(corpus: str, entry: Entry) -> dict[str, str | None]:
    return {
        "record_id": record_id(corpus, entry.path),
        "path": entry.path,
        "image_id": None if entry.defect in UNREADABLE_DEFECTS else content_id(entry.data),
        "defect": entry.defect,
        "parent_record_id": record_id(corpus, entry.parent) if entry.parent else None,
    }


def _counts(entries: Sequence[Entry]) -> dict[str, int]:
    defects = [entry.defect for entry in entries if entry.defect is not None]
    return {defect: defects.count(defect) for defect in sorted(set(defects))}


def _preview(entries: Sequence[Entry]) -> list[LabelledRow]:
    rows: list[LabelledRow] = []
    for split in ("train", "heldout"):
        clean = [entry.data for entry in entries if entry.defect is None and entry.split == split]
        rows.append((f"{split}, as they are", [decode(data, 96) for data in clean[:MAX_COLUMNS]]))
    by_defect = {
        entry.defect: entry.data for entry in entries if entry.defect not in (None, *UNREADABLE_DEFECTS)
    }
    defects = sorted(str(defect) for defect in by_defect)
    for start in range(0, len(defects), MAX_COLUMNS):
        names = defects[start : start + MAX_COLUMNS]
        rows.append(("planted: " + ", ".join(names), [decode(by_defect[name], 96) for name in names]))
    return rows
