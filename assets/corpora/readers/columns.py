"""Which column of a row means what: own columns, or the presets of published datasets."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from assets.corpora.config import ColumnsConfig
from assets.corpora.readers.reader import RawImage, RawSample, RawText

PLAIN = ColumnsConfig(
    target="image",
    texts=("text", "caption"),
    category="category",
    subcategory="subcategory",
    license="license",
    url="url",
    group="group_id",
    split="split",
)
"""Columns of a corpus of single images where its entry in the profile names none."""

PAIRS = PLAIN.model_copy(
    update={"target": "target", "sources": ("source",), "texts": ("instruction", "text", "instruction_cn")}
)
"""Columns of a corpus of pairs where its entry in the profile names none."""

FIRERED = PLAIN.model_copy(
    update={
        "target": "edit_image",
        "sources": ("source_image",),
        "texts": ("instruction", "instruction_cn", "texts"),
    }
)
"""Keys of the raw JSON lines of the FireRed trainer."""

PRESETS: Mapping[str, ColumnsConfig] = {
    "omniedit": ColumnsConfig(
        target="edited_img",
        sources=("src_img",),
        texts=("edited_prompt_list",),
        group="omni_edit_id",
        category="task",
        categories={
            "addition": "semantic/add",
            "removal": "semantic/remove",
            "swap": "semantic/replace",
            "object_swap": "semantic/replace",
            "obj_swap": "semantic/replace",
            "env": "semantic/background",
            "background_swap": "semantic/background",
            "attribute_modification": "stylistic/color",
            "style": "stylistic/stylize",
        },
    ),
    "magicbrush": ColumnsConfig(
        target="target_img", sources=("source_img",), texts=("instruction",), group="img_id"
    ),
    "instructpix2pix": ColumnsConfig(
        target="edited_image", sources=("original_image",), texts=("edit_prompt",)
    ),
    "ultraedit": ColumnsConfig(
        target="edited_image", sources=("source_image",), texts=("edit_prompt",), group="clip_id"
    ),
}
"""Columns of datasets as their authors publish them."""

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "heldout": "heldout",
    "validation": "heldout",
    "val": "heldout",
    "dev": "heldout",
    "test": "heldout",
}
"""The split for what datasets call it."""

Fetch = Callable[[Any, str], RawImage | None]
"""Takes a value and its name, such as `source-1`; returns its image, or None if it is none."""


def sample_of_row(row: Mapping[str, Any], columns: ColumnsConfig, fetch: Fetch) -> RawSample | str:
    """Returns the sample in a row, or why there is none.

    Args:
        row: values by column.
        columns: what the columns mean; those that the row lacks are null.
        fetch: makes an image of a value.
    """
    target = next(_images(columns.target, row.get(columns.target), fetch), None)
    if target is None:
        return f"{columns.target}: no image"
    sources: list[RawImage] = []
    for column in columns.sources:
        if row.get(column) == []:
            continue  # said to have none, which a missing value does not say
        found = list(_images(column, row.get(column), fetch))
        if not found:
            return f"{column}: no image"
        sources += found
    category, subcategory = categories_of(row, columns)
    split = SPLIT_NAMES.get(_text(row, columns.split) or "")
    if split is None and _text(row, columns.split) is not None:
        return f"{columns.split}: expected one of {', '.join(SPLIT_NAMES)}"
    return RawSample(
        target=target,
        sources=tuple(sources),
        texts=tuple(dict.fromkeys(RawText(one) for name in columns.texts for one in _texts(row.get(name)))),
        category=category,
        subcategory=subcategory,
        license=_text(row, columns.license),
        url=_text(row, columns.url),
        group_id=_text(row, columns.group),
        split=split,
    )


def categories_of(row: Mapping[str, Any], columns: ColumnsConfig) -> tuple[str | None, str | None]:
    """Returns category and subcategory of a row, translated by `columns.categories`."""
    category, subcategory = _text(row, columns.category), _text(row, columns.subcategory)
    for value in (subcategory, category):
        if value is not None and value in columns.categories:
            first, _, second = columns.categories[value].partition("/")
            return first, second or None
    return category, subcategory


def json_row(row: Mapping[str, Any]) -> str:
    """Returns a row as JSON, the same for equal rows."""
    return json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)


def _images(column: str, value: Any, fetch: Fetch) -> Iterator[RawImage]:
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    for number, one in enumerate(values):
        image = fetch(one, column if len(values) == 1 else f"{column}-{number}")
        if image is not None:
            yield image


def _text(row: Mapping[str, Any], column: str | None) -> str | None:
    value = row.get(column) if column is not None else None
    return None if value is None or isinstance(value, (bytes, list, dict)) else str(value).strip() or None


def _texts(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one.strip():
            yield one.strip()
