"""The answers of a study as one table, and as CSV for other programs."""

import polars as pl
from sqlalchemy import Engine

from benchmarks.rating.store import every_point
from benchmarks.rating.study import Study

ANSWERS = {
    "submission": pl.Int64,
    "rater": pl.Int64,
    "item_id": pl.String,
    "cluster": pl.String,
    "card": pl.String,
    "kind": pl.String,
    "model": pl.String,
    "position": pl.Int64,
    "dimension": pl.String,
    "point": pl.Int64,
    "value": pl.Float64,
    "revision": pl.Int64,
    "action": pl.String,
    "current": pl.Boolean,
    "seconds": pl.Float64,
    "at": pl.String,
}
"""One row an answer, in the order of giving. `current` ones are neither replaced nor taken back; a row of
action `undone` has no card and no answer."""

OVERALL = "overall"


def answers_of(engine: Engine, study: Study) -> pl.DataFrame:
    """Returns every answer ever given in a study, rows of `ANSWERS`."""
    items = {item.item_id: item for item in study.items}
    cards = {(item.item_id, card.key): card for item in study.items for card in item.cards}
    points = every_point(engine, study.study_id)
    latest = {(row["rater"], row["item_id"]): row["revision"] for row in points}
    rows = []
    for row in points:
        card = cards.get((row["item_id"], row["card"]))
        newest = row["revision"] == latest[row["rater"], row["item_id"]]
        rows.append(
            {
                **{name: row[name] for name in ANSWERS if name in row},
                "submission": row["submission_id"],
                "cluster": items[row["item_id"]].cluster,
                "kind": card.kind if card else None,
                "model": card.model if card else None,
                "value": study.scale[row["point"] - 1] if card else None,
                "current": newest and row["action"] == "rated",
                "at": row["at"].replace(tzinfo=None).isoformat(timespec="seconds") + "Z",
            }
        )
    return pl.DataFrame(rows, schema=ANSWERS)


def with_overall(current: pl.DataFrame) -> pl.DataFrame:
    """Returns the answers and, for each card, the geometric mean of its dimensions as dimension `overall`.

    The mean of two is ImagenHub's and VIEScore's O. It is rounded, so that equal ratings tie whatever the
    order of the dimensions.

    Args:
        current: rows of `ANSWERS` that are current, every card with all dimensions.
    """
    keys = ["submission", "card"]
    logs = pl.col("value").log().mean().exp().round(9)
    overall = current.group_by(keys, maintain_order=True).agg(
        *(pl.col(name).first() for name in ANSWERS if name not in (*keys, "dimension", "point", "value")),
        dimension=pl.lit(OVERALL),
        point=pl.lit(None, pl.Int64),
        value=logs,
    )
    return pl.concat([current, overall.select(list(ANSWERS))])


def to_csv(answers: pl.DataFrame) -> str:
    """Returns the answers as CSV with a header."""
    return answers.write_csv()
