"""Writes samples with their images as a dataset: Hugging Face Parquet, WebDataset, or FireRed JSON lines."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.lake.ids import digest
from assets.lake.images import read_image_table, read_images
from assets.lake.kept import KEPT_PAIRS_PATH, read_kept_samples
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS
from assets.lake.steps import MissingInputError
from models.common.files import write_atomically
from models.common.progress import Progress

Which = Literal["kept", "dropped", "all"]
Format = Literal["hf", "webdataset", "firered"]

SAMPLES_PER_FILE = 256
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tiff"}
SUFFIXES |= {"AVIF": "avif", "PPM": "ppm"}
HF_SPLITS = {"train": "train", "heldout": "validation"}
FIELDS = ("sample_id", "group_id", "split", "task", "category", "subcategory", "license", "rule")

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
HF_SCHEMA = pa.schema(
    [
        ("target", IMAGE),
        ("sources", pa.list_(IMAGE)),
        ("texts", pa.list_(pa.string())),
        ("langs", pa.list_(pa.string())),
        *((name, pa.string()) for name in FIELDS),
    ]
)
TEXT_FEATURE = {"dtype": "string", "_type": "Value"}
HF_FEATURES: Mapping[str, Any] = {
    "target": {"_type": "Image"},
    "sources": {"feature": {"_type": "Image"}, "_type": "List"},
    "texts": {"feature": TEXT_FEATURE, "_type": "List"},
    "langs": {"feature": TEXT_FEATURE, "_type": "List"},
    **dict.fromkeys(FIELDS, TEXT_FEATURE),
}


NOTE = ".emberline-export"
"""File with the digest of what an export writes."""


class OtherExportError(ValueError):
    """A folder holds the files of another export."""


class StoredFile(NamedTuple):
    """An image of a sample: its name, made of its id and format, and its bytes."""

    name: str
    data: bytes


class Example(NamedTuple):
    """A sample with everything that an export writes; `texts` are (language, text), English first."""

    fields: Mapping[str, str | None]
    sources: tuple[StoredFile, ...]
    target: StoredFile
    texts: tuple[tuple[str, str], ...]


def export_samples(
    lake: Lake, folder: Path, form: Format, *, which: Which, rule: str | None, progress: Progress
) -> list[Path]:
    """Writes samples of a home as a dataset and returns its files. Equal homes give equal bytes.

    An export that was killed goes on: a file that exists is not written again. A folder that holds another
    export is refused.

    Args:
        lake: of the home.
        folder: where to write.
        form: `hf` for Parquet that `datasets.load_dataset("parquet", ...)` opens, `webdataset` for tar files,
            `firered` for the JSON lines and image files of the FireRed trainer.
        which: `kept`: what mixtures may draw; `dropped`: what a verdict dropped; `all`: both.
        rule: writes only samples that this rule dropped.
        progress: called for each file.

    Raises:
        MissingInputError: the samples were not made yet, or none fits.
        OtherExportError: the folder holds another export.
    """
    samples = chosen_samples(lake, which, rule)
    if samples.is_empty():
        raise MissingInputError("No sample fits. `emberline status` shows what every rule dropped.")
    _claim(folder, digest([form, *samples.select("sample_id", "rule").sort("sample_id").rows()]))
    texts = lake.read_tables("texts", TEXTS).join(samples, on="sample_id", how="semi")
    shards = read_image_table(lake, lake.list("images", ".parquet")).unique("image_id", keep="first")
    write = {"hf": _write_parquet, "webdataset": _write_tar, "firered": _write_lines}[form]
    parts = [part for _, part in samples.sort("split", "sample_id").group_by("split", maintain_order=True)]
    total = sum(-(-part.height // SAMPLES_PER_FILE) for part in parts)
    written: list[Path] = []
    for part in parts:
        count = -(-part.height // SAMPLES_PER_FILE)
        for number in range(count):
            progress("writing samples", len(written), total)
            rows = part.slice(number * SAMPLES_PER_FILE, SAMPLES_PER_FILE)
            name = f"{HF_SPLITS[part['split'][0]]}-{number:05d}-of-{count:05d}"
            written.append(write(folder, name, lambda rows=rows: _examples(lake, rows, texts, shards)))
    progress("writing samples", len(written), total)
    return written


def _claim(folder: Path, export: str) -> None:
    """Notes in a folder which export it holds, so that none takes the files of another one for its own."""
    note = folder / NOTE
    if note.exists() and note.read_text() != export:
        raise OtherExportError(f"{folder} holds another export. Choose an empty folder with --to.")
    write_atomically(note, export.encode())


def chosen_samples(lake: Lake, which: Which, rule: str | None) -> pl.DataFrame:
    """Returns SAMPLES with `rule`, the first rule that dropped a sample or one of its images, or null.

    Raises:
        MissingInputError: the pairs were not filtered yet.
    """
    if not lake.exists(KEPT_PAIRS_PATH):
        raise MissingInputError(f"{lake.root} lacks postfiltered. Run it first.")
    every = lake.read_tables("samples", SAMPLES).unique("sample_id", keep="first", maintain_order=True)
    kept = read_kept_samples(lake)["sample_id"].implode()
    dropped = [
        lake.read_table(path, VERDICTS).filter(~pl.col("kept")).select("id", "rule")
        for path in lake.list("verdicts", ".parquet")
    ]
    uses = every.select("sample_id", id=pl.concat_list("source_ids", "target_id", "sample_id")).explode("id")
    rules = uses.join(pl.concat(dropped), on="id").sort("sample_id", "rule")
    first = rules.unique("sample_id", keep="first", maintain_order=True).select("sample_id", "rule")
    is_kept = pl.col("sample_id").is_in(kept)
    joined = every.join(first, on="sample_id", how="left").with_columns(
        rule=pl.when(is_kept).then(None).otherwise(pl.col("rule"))
    )
    if rule is not None:
        return joined.filter(pl.col("rule") == rule)
    return joined.filter({"kept": is_kept, "dropped": ~is_kept, "all": pl.lit(value=True)}[which])


def _examples(lake: Lake, rows: pl.DataFrame, texts: pl.DataFrame, shards: pl.DataFrame) -> Iterator[Example]:
    used = rows.select(id=pl.concat_list("source_ids", "target_id")).explode("id").unique()
    stored = shards.join(used, left_on="image_id", right_on="id", how="semi").sort("image_id")
    data = read_images(lake, dict(stored.select("image_id", "shard").iter_rows()), stored["image_id"])
    files = {
        image_id: StoredFile(f"{image_id}.{SUFFIXES[form]}", data[image_id])
        for image_id, form in stored.select("image_id", "format").iter_rows()
    }
    said = texts.join(rows, on="sample_id", how="semi").sort("sample_id", pl.col("lang") != "en", "text_id")
    texts_of: dict[str, list[tuple[str, str]]] = {}
    for sample_id, lang, text in said.select("sample_id", "lang", "text").iter_rows():
        texts_of.setdefault(sample_id, []).append((lang, text))
    for row in rows.iter_rows(named=True):
        yield Example(
            {name: row[name] for name in FIELDS},
            tuple(files[image_id] for image_id in row["source_ids"]),
            files[row["target_id"]],
            tuple(texts_of.get(row["sample_id"], ())),
        )


def _write_parquet(folder: Path, name: str, examples: Callable[[], Iterator[Example]]) -> Path:
    path = folder / "data" / f"{name}.parquet"
    if path.exists():
        return path
    rows = [
        {
            "target": {"bytes": example.target.data, "path": example.target.name},
            "sources": [{"bytes": source.data, "path": source.name} for source in example.sources],
            "texts": [text for _, text in example.texts],
            "langs": [lang for lang, _ in example.texts],
            **example.fields,
        }
        for example in examples()
    ]
    metadata = {"huggingface": json.dumps({"info": {"features": HF_FEATURES}})}
    table = pa.Table.from_pylist(rows, schema=HF_SCHEMA.with_metadata(metadata))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=64, compression="zstd", use_dictionary=False)
    write_atomically(path, buffer.getvalue())
    return path


def _write_tar(folder: Path, name: str, examples: Callable[[], Iterator[Example]]) -> Path:
    path = folder / f"{name}.tar"
    if path.exists():
        return path
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for example in examples():
            key = example.fields["sample_id"]
            for number, source in enumerate(example.sources):
                _add(tar, f"{key}.source-{number}.{_suffix(source)}", source.data)
            _add(tar, f"{key}.target.{_suffix(example.target)}", example.target.data)
            values: dict[str, Any] = {**example.fields, "texts": [text for _, text in example.texts]}
            if not example.sources:
                values["source"] = []  # text to image
            _add(tar, f"{key}.json", json.dumps(values, ensure_ascii=False).encode())
    write_atomically(path, buffer.getvalue())
    return path


def _write_lines(folder: Path, name: str, examples: Callable[[], Iterator[Example]]) -> Path:
    path = folder / f"{name}.jsonl"
    if path.exists():
        return path
    lines = []
    for example in examples():
        for file in (*example.sources, example.target):
            if not (folder / "images" / file.name).exists():
                write_atomically(folder / "images" / file.name, file.data)
        by_lang: dict[str, str] = {}
        for lang, text in example.texts:
            by_lang.setdefault(lang, text)
        line = {
            "source_image": [f"images/{source.name}" for source in example.sources] or None,
            "edit_image": f"images/{example.target.name}",
            "instruction": by_lang.get("en"),
            "instruction_cn": by_lang.get("zh"),
            "texts": [text for _, text in example.texts],
            **example.fields,
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_atomically(path, "".join(lines).encode())
    return path


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _suffix(file: StoredFile) -> str:
    return file.name.rpartition(".")[2]
