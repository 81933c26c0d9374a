"""GEdit-Bench: 606 items in each of two languages, from a Hugging Face data set or a plain export of it."""

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.protocols.gedit import PARTS, gedit, gedit_local
from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, SuiteError, read_limited
from benchmarks.suites.suite import Suite, made_suite, picture_below, problem_of, read_json_lines, text_fields

LANGUAGES = {"zh": "cn", "en": "en"}
FIELDS = ("task_type", "key", "instruction", "instruction_language")
PICTURE = "input_image"
"""The image that editors and judges get, about 512 by 512; `input_image_raw` is the original."""

EXPORT = "metadata.jsonl"
INTERSECTION = "Intersection_exist"
Subset = Literal["full", "intersection"]

ITEMS = {"full": {"en": 606, "zh": 606}, "intersection": {"en": 451, "zh": 446}}
"""The sizes of the groups in a published log of the official script, added up."""


def load_gedit(
    data: Path,
    images: Path,
    lang: str,
    *,
    judge: Literal["hosted", "local"] = "hosted",
    subset: Subset = "full",
) -> Suite:
    """Returns GEdit-Bench in one language.

    Args:
        data: a folder with the data set as Parquet or Arrow files (`save_to_disk`, or the hub's files), or
            with metadata.jsonl and image files; and the four prompt files, here or in `prompts`.
        images: of a plain export; otherwise the data set holds the images.
        lang: `zh` or `en`.
        judge: `local` asks as the official script asks Qwen2.5-VL: greedy, images first, PNG.
        subset: `intersection` has the items only that every closed model of the paper returned. Papers print
            figures of either, which must not be mixed.

    Published rows stand beside the full set with a hosted judge, by which they were made.

    Raises:
        SuiteError: the files are not those of the benchmark.
    """
    items: list[BenchItem] = []
    problems: list[str] = []
    for number, (row, picture) in enumerate(_rows(data, images, problems)):
        try:
            if not isinstance(row, dict) or row.get("instruction_language") not in LANGUAGES.values():
                raise SuiteError(f"row {number}: instruction_language must be en or cn.")
            if row["instruction_language"] != LANGUAGES[lang]:
                continue
            if isinstance(picture, SuiteError):
                raise picture
            if subset == "full" or row.get(INTERSECTION) is True:
                items.append(_item(row, picture, f"row {number}", lang))
        except SuiteError as error:
            problems.append(problem_of(f"row {number}", error))
    name = "gedit" + ("_local" if judge == "local" else "") + ("_intersection" if subset != "full" else "")
    title = "GEdit-Bench" if subset == "full" else "GEdit-Bench, intersection"
    return made_suite(
        Suite(
            name=name,
            title=f"{title}, {'Chinese' if lang == 'zh' else 'English'}",
            lang=lang,
            items=items,
            protocol=(gedit_local if judge == "local" else gedit)(_prompts(data)),
            problems=tuple(problems),
            published="gedit_table4" if subset == "full" and judge == "hosted" else None,
            expected=ITEMS[subset][lang],
            rejected=len(problems),
        )
    )


def _item(row: dict[str, Any], picture: Picture, where: str, lang: str) -> BenchItem:
    found = text_fields(row, FIELDS, where)
    return BenchItem(
        sample_id=found["key"],
        kind=found["task_type"],
        category=found["task_type"],
        instruction=found["instruction"],
        sources=(picture,),
        lang=lang,
        output=f"fullset/{found['task_type']}/{LANGUAGES[lang]}/{found['key']}",
        facts={"intersection": "yes" if row.get(INTERSECTION) else "no"},
    )


def _prompts(data: Path) -> dict[str, str]:
    for folder in (data, data / "prompts"):
        if all((folder / f"{part}.txt").exists() for part in PARTS):
            return {part: (folder / f"{part}.txt").read_text(encoding="utf-8") for part in PARTS}
    names = ", ".join(f"{part}.txt" for part in PARTS)
    raise SuiteError(
        f"{data} or {data / 'prompts'} must hold {names}: VIEScore's prompts, which GEdit-Bench sends."
    )


def _rows(data: Path, images: Path, problems: list[str]) -> Iterator[tuple[Any, Picture | SuiteError]]:
    """Yields each row with its image, or with why it has none; a line that is no row is a problem."""
    if (data / EXPORT).exists():
        yield from _exported(data / EXPORT, images, problems)
        return
    parquet = [path for path in sorted(data.rglob("*.parquet")) if not path.name.startswith(".")]
    arrow = [path for path in sorted(data.rglob("*.arrow")) if not path.name.startswith("cache-")]
    if not parquet and not arrow:
        raise SuiteError(
            f"{data} holds no Parquet or Arrow file and no {EXPORT}. Point --data at GEdit-Bench."
        )
    for path in parquet:
        yield from _parquet_rows(path)
    for path in arrow if not parquet else []:
        yield from _arrow_rows(path)


def _exported(path: Path, images: Path, problems: list[str]) -> Iterator[tuple[Any, Picture | SuiteError]]:
    for number, row in read_json_lines(path, problems):
        name = row.get(PICTURE) or row.get("file_name") if isinstance(row, dict) else None
        if not isinstance(name, str):
            yield row, SuiteError(f"{path.name}:{number} names no picture as {PICTURE} or file_name.")
            continue
        try:
            picture = picture_below(images, name)
        except SuiteError as error:
            yield row, error
        else:
            yield row, picture


def _parquet_rows(path: Path) -> Iterator[tuple[Any, Picture]]:
    try:
        file = pq.ParquetFile(path)
        columns = _columns(file.schema_arrow.names, path)
        groups = _RowGroups(path)
        for group in range(file.num_row_groups):
            for row, values in enumerate(file.read_row_group(group, columns=columns).to_pylist()):
                name = f"{path.name}, group {group}, row {row}"
                yield values, Picture(name, partial(groups.picture, group, row))
    except (pa.ArrowException, OSError) as error:
        raise SuiteError(f"{path} is not a Parquet file that can be read: {error}") from error


class _RowGroups:
    """The images of a Parquet file; the last row group that was asked for stays in memory."""

    def __init__(self, path: Path) -> None:
        self._path, self._group = path, -1
        self._pictures: list[Any] = []
        self._lock = threading.Lock()

    def picture(self, group: int, row: int) -> bytes:
        with self._lock:
            if group != self._group:
                self._pictures, self._group = self._read(group), group
            return _picture_bytes(self._pictures[row], self._path)

    def _read(self, group: int) -> list[Any]:
        try:
            table = pq.ParquetFile(self._path).read_row_group(group, columns=[PICTURE])
        except (pa.ArrowException, OSError) as error:
            raise MissingPictureError(f"{self._path}: {PICTURE} cannot be read: {error}") from error
        return table.column(PICTURE).to_pylist()


def _arrow_rows(path: Path) -> Iterator[tuple[Any, Picture]]:
    try:
        with pa.memory_map(str(path)) as stream:
            table = pa.ipc.open_stream(stream).read_all()
    except (pa.ArrowException, OSError) as error:
        raise SuiteError(f"{path} is not an Arrow stream that can be read: {error}") from error
    columns = _columns(table.column_names, path)
    pictures = table.column(PICTURE)
    for row, values in enumerate(table.select(columns).to_pylist()):
        yield values, Picture(f"{path.name}, row {row}", partial(_arrow_picture, pictures, row, path))


def _columns(names: Sequence[str], path: Path) -> list[str]:
    missing = [name for name in (*FIELDS, PICTURE) if name not in names]
    if missing:
        raise SuiteError(f"{path} has no column {missing[0]}, as GEdit-Bench has. It has {', '.join(names)}.")
    return [name for name in (*FIELDS, INTERSECTION) if name in names]


def _arrow_picture(pictures: pa.ChunkedArray, row: int, path: Path) -> bytes:
    return _picture_bytes(pictures[row].as_py(), path)


def _picture_bytes(value: Any, path: Path) -> bytes:
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return value["bytes"]
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        return read_limited(path.parent / Path(value["path"]).name)
    raise MissingPictureError(f"{path}: a row has no bytes in {PICTURE}.")
