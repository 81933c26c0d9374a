"""The training set of the evaluator: each edit with its own instruction and with a perturbed one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from assets.synthesized.templates.catalogue import inverse_name
from models.common.seeding import numpy_generator

INSTRUCTION_KINDS = ("detailed", "concise", "user_like")

Relation = Literal["parameter", "direction", "category", "kind"]
RELATIONS: tuple[Relation, ...] = ("parameter", "direction", "category", "kind")
"""Hardest first: other parameters of the same edit; the opposite edit; another of its category; any other."""

SAME_EDIT = (
    ("brighter", "darker:inverse"),
    ("darker", "brighter:inverse"),
    ("warmer", "cooler:inverse"),
    ("cooler", "warmer:inverse"),
    ("invert", "invert:inverse"),
    ("mirror", "mirror:inverse"),
    ("rotate_180", "rotate_180:inverse"),
)
"""Edits with the same result under two names; the instruction of one also describes the other."""

TRAINING_SET: Mapping[str, pl.DataType] = {
    "sample_id": pl.String(),
    "split": pl.String(),
    "text_kind": pl.String(),
    "text": pl.String(),  # the instruction that the pair follows
    "other_text": pl.String(),  # an instruction that it does not follow
    "perturbation": pl.String(),  # how the two differ
    "template": pl.String(),
    "parameters": pl.String(),
    "place": pl.String(),
}


class Edit(NamedTuple):
    """An edit: a template and its parameters as JSON; `place` is the category of REDEdit-Bench."""

    template: str
    parameters: str
    place: str


def training_set(samples: pl.DataFrame, texts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Returns the TRAINING_SET of all edits with English instructions.

    Pairs exchange instructions two by two. In each split every pair and every text therefore occurs once with
    each label, so neither the images alone nor the instruction alone give the label away.

    Args:
        samples: SAMPLES; text-to-image rows are ignored.
        texts: TEXTS; the English instructions are used.
        seed: seed of the choice of partners.
    """
    instructions = english_instructions(samples, texts)
    rows = (
        samples.filter(pl.col("task") == "i2i")
        .join(instructions.select("sample_id", "kind", "text"), on="sample_id")
        .with_columns(pl.col("split").cast(pl.String), pl.col("kind").cast(pl.String))
        .sort("split", "kind", "sample_id", "text")
        .unique(["sample_id", "kind"], keep="first", maintain_order=True)
    )
    parts = [_rows_of_split(part, seed) for _, part in rows.group_by("split", "kind", maintain_order=True)]
    return pl.DataFrame([row for part in parts for row in part], schema=dict(TRAINING_SET), orient="row")


def english_instructions(samples: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """Returns the English TEXTS of edits that say what to do.

    The `original` text of an edit by a template says less than the others: it names no parameter. Edits of a
    corpus have no other text.
    """
    by_template = pl.col("origin").struct.field("template").is_not_null()
    collected = samples.filter((pl.col("task") == "i2i") & ~by_template)["sample_id"].implode()
    own = (pl.col("kind") == "original") & pl.col("sample_id").is_in(collected)
    return texts.filter((pl.col("lang") == "en") & (pl.col("kind").is_in(INSTRUCTION_KINDS) | own))


def _rows_of_split(rows: pl.DataFrame, seed: int) -> Iterator[tuple[str, ...]]:
    samples = rows["sample_id"].to_list()
    texts, split, kind = rows["text"].to_list(), rows["split"][0], rows["kind"][0]
    edits = [edit_of(row) for row in rows.iter_rows(named=True)]
    generator = numpy_generator(seed, "perturbed instructions", split, kind)
    for row, (partner, relation) in sorted(match_partners(edits, generator).items()):
        yield samples[row], split, kind, texts[row], texts[partner], relation, *edits[row]


def edit_of(sample: Mapping[str, object]) -> Edit:
    """Returns the edit of a SAMPLES row with its `text`; without a template, its text is the edit."""
    origin = sample["origin"]
    assert isinstance(origin, dict)
    template = origin["template"] or " ".join(str(sample["text"]).casefold().split()).rstrip(".!")
    place = sample["subcategory"] or sample["category"] or ""
    return Edit(template, origin["parameters"] or "", str(place))


def match_partners(edits: Sequence[Edit], generator: np.random.Generator) -> dict[int, tuple[int, Relation]]:
    """Returns for each row a partner whose instruction contradicts its edit, and how; partners are mutual.

    Rows without a partner are omitted, as when one edit is more frequent than all others together.
    """
    unmatched: dict[Edit, list[int]] = {}
    order = [int(row) for row in generator.permutation(len(edits))]
    for row in order:
        unmatched.setdefault(edits[row], []).append(row)
    matches: dict[int, tuple[int, Relation]] = {}
    for row in order:
        if row in matches:
            continue
        unmatched[edits[row]].remove(row)
        choice = _choose_partner_edit(edits[row], unmatched, generator)
        if choice is None:
            unmatched[edits[row]].append(row)
            continue
        edit, relation = choice
        partner = unmatched[edit].pop()
        matches |= {row: (partner, relation), partner: (row, relation)}
    return matches


def _choose_partner_edit(
    edit: Edit, unmatched: Mapping[Edit, Sequence[int]], generator: np.random.Generator
) -> tuple[Edit, Relation] | None:
    by_relation: dict[Relation, list[Edit]] = {}
    for other, rows in unmatched.items():
        relation = relation_of(edit, other)
        if rows and relation is not None:
            by_relation.setdefault(relation, []).append(other)
    if not by_relation:
        return None
    relations: list[Relation] = [relation for relation in RELATIONS if relation in by_relation]
    relation = relations[int(generator.integers(len(relations)))]
    candidates = by_relation[relation]
    counts = np.array([len(unmatched[other]) for other in candidates], float)
    return candidates[int(generator.choice(len(candidates), p=counts / counts.sum()))], relation


def relation_of(edit: Edit, other: Edit) -> Relation | None:
    """Returns how the instruction of `other` contradicts `edit`; None if it describes `edit` as well."""
    if edit.template == other.template:
        return "parameter" if edit.parameters != other.parameters else None
    if _is_same_edit(edit.template, other.template):
        return None
    if _is_same_edit(edit.template, inverse_name(other.template)) or edit.template == inverse_name(
        other.template
    ):
        return "direction"
    return "category" if edit.place == other.place else "kind"


def _is_same_edit(template: str, other: str) -> bool:
    return (template, other) in SAME_EDIT or (other, template) in SAME_EDIT
