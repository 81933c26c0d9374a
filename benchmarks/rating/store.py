"""The store of ratings: rows are added, never changed, and a submission that comes twice is kept once."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    DDL,
    URL,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import IntegrityError

TABLES = MetaData()

VISITORS = Table(
    "visitors",
    TABLES,
    Column("visitor_id", Integer, primary_key=True),
    Column("study_id", String(16), nullable=False),
    Column("number", Integer, nullable=False),  # 0 is the organiser, raters count from 1
    Column("label", String(200), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("at", DateTime(timezone=True), nullable=False),
)
Index(
    "one_number_a_rater",
    VISITORS.c.study_id,
    VISITORS.c.number,
    unique=True,
    sqlite_where=VISITORS.c.number != 0,
    postgresql_where=VISITORS.c.number != 0,
)

SUBMISSIONS = Table(
    "submissions",
    TABLES,
    Column("submission_id", Integer, primary_key=True),
    Column("study_id", String(16), nullable=False),
    Column("rater", Integer, nullable=False),
    Column("item_id", String(500), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("action", String(10), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    # What keeps a double click, a replayed form and two open windows from counting twice.
    UniqueConstraint("study_id", "rater", "item_id", "revision"),
)

RATINGS = Table(
    "ratings",
    TABLES,
    Column("submission_id", ForeignKey("submissions.submission_id"), primary_key=True),
    Column("card", String(300), primary_key=True),
    Column("dimension", String(40), primary_key=True),
    Column("position", Integer, nullable=False),  # from left to right, from 0
    Column("point", Integer, nullable=False),  # the key pressed: 1 is the lowest of the scale
)

REFUSAL = "the store of ratings is append-only"

event.listen(
    TABLES,
    "before_create",
    DDL(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    ).execute_if(dialect="postgresql"),
)
for table in TABLES.tables.values():
    for change in ("UPDATE", "DELETE"):
        refusal = f"CREATE TRIGGER {table.name}_no_{change.lower()} BEFORE {change} ON {table.name}"
        for dialect, body in (
            ("sqlite", f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"),
            ("postgresql", "EXECUTE FUNCTION refuse_change()"),
        ):
            event.listen(table, "after_create", DDL(f"{refusal} {body}").execute_if(dialect=dialect))

ORGANISER = 0
TOKEN_BYTES = 16
BUSY_SECONDS = 30

Outcome = Literal["stored", "repeated", "conflict"]


class Visitor(NamedTuple):
    """Who holds a token: the organiser (0), or a rater (1, 2, ...)."""

    number: int
    label: str


class Point(NamedTuple):
    """One answer: which card stood where, and which point of the scale it got."""

    card: str
    dimension: str
    position: int
    point: int


class ItemState(NamedTuple):
    """The last that a rater did to an item."""

    revision: int
    action: Literal["rated", "undone"]


def open_store(url: str | URL) -> Engine:
    """Returns the store at an SQLAlchemy URL, its tables made where they are missing.

    Raises:
        ValueError: the database is neither SQLite nor PostgreSQL, or its driver is not installed.
    """
    kind = make_url(url).get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise ValueError(f"{kind} is not supported. Give an sqlite: or a postgresql: URL.")
    try:
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS} if kind == "sqlite" else {})
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The driver {error.name} is not installed. For PostgreSQL, pip install 'psycopg[binary]' and "
            "give a URL that starts with postgresql+psycopg:"
        ) from error
    if kind == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
    TABLES.create_all(engine)
    return engine


def invite(engine: Engine, study_id: str, *, label: str, organiser: bool = False) -> tuple[Visitor, str]:
    """Returns a new visitor and the token that lets them in; the store keeps only its digest.

    Args:
        engine: from `open_store`.
        study_id: of the study.
        label: who is meant, for the organiser alone.
        organiser: sees results and rates nothing.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    # A rater's number seeds the order of pages, so numbers are never used again.
    highest = select(func.coalesce(func.max(VISITORS.c.number), ORGANISER)).where(
        VISITORS.c.study_id == study_id
    )
    row = insert(VISITORS).values(
        study_id=study_id,
        number=ORGANISER if organiser else highest.scalar_subquery() + 1,
        label=label,
        token_hash=_digest(token),
        at=datetime.now(UTC),
    )
    with engine.begin() as connection:
        number = connection.scalar(row.returning(VISITORS.c.number))
    assert number is not None
    return Visitor(number, label), token


def visitor_of(engine: Engine, study_id: str, token: str) -> Visitor | None:
    """Returns whose token it is; None where nobody was given it."""
    query = select(VISITORS.c.number, VISITORS.c.label).where(
        VISITORS.c.study_id == study_id, VISITORS.c.token_hash == _digest(token)
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return Visitor(*row) if row else None


def raters_of(engine: Engine, study_id: str) -> dict[int, str]:
    """Returns the number and label of everybody who was invited to rate."""
    query = (
        select(VISITORS.c.number, VISITORS.c.label)
        .where(VISITORS.c.study_id == study_id, VISITORS.c.number != ORGANISER)
        .order_by(VISITORS.c.number)
    )
    with engine.connect() as connection:
        return {row.number: row.label for row in connection.execute(query)}


def states_of(engine: Engine, study_id: str, rater: int) -> dict[str, ItemState]:
    """Returns the last state of every item that a rater ever submitted, the latest submission last."""
    query = (
        select(SUBMISSIONS.c.item_id, SUBMISSIONS.c.revision, SUBMISSIONS.c.action)
        .where(SUBMISSIONS.c.study_id == study_id, SUBMISSIONS.c.rater == rater)
        .order_by(SUBMISSIONS.c.submission_id)
    )
    states: dict[str, ItemState] = {}
    with engine.connect() as connection:
        for item_id, revision, action in connection.execute(query):
            states.pop(item_id, None)
            states[item_id] = ItemState(revision, action)
    return states


def last_points(engine: Engine, study_id: str, rater: int, item_id: str) -> list[Point]:
    """Returns a rater's latest answers for an item, also where they were taken back; empty where none are."""
    latest = (
        select(func.max(SUBMISSIONS.c.submission_id))
        .where(
            SUBMISSIONS.c.study_id == study_id,
            SUBMISSIONS.c.rater == rater,
            SUBMISSIONS.c.item_id == item_id,
            SUBMISSIONS.c.action == "rated",
        )
        .scalar_subquery()
    )
    with engine.connect() as connection:
        return _points(connection, latest)


def submit(
    engine: Engine,
    study_id: str,
    *,
    rater: int,
    item_id: str,
    revision: int,
    points: Sequence[Point],
    seconds: float,
) -> Outcome:
    """Returns what became of a submission; without points it takes the item's ratings back.

    Args:
        engine: from `open_store`.
        study_id: of the study.
        rater: who submits.
        item_id: what was rated.
        revision: one more than that of the state that the rater saw. If it is taken, the submission is
            `repeated` where it says the same, and a `conflict` where another window was faster.
        points: the answers for every card and dimension.
        seconds: from the page to its submission.
    """
    row = {"study_id": study_id, "rater": rater, "item_id": item_id, "revision": revision}
    action = "rated" if points else "undone"
    try:
        with engine.begin() as connection:
            made = connection.execute(
                insert(SUBMISSIONS).returning(SUBMISSIONS.c.submission_id),
                {**row, "action": action, "seconds": seconds, "at": datetime.now(UTC)},
            )
            submission_id = made.scalar_one()
            if points:
                connection.execute(
                    insert(RATINGS), [{"submission_id": submission_id, **point._asdict()} for point in points]
                )
    except IntegrityError:
        return "repeated" if _same(engine, row, action, points) else "conflict"
    return "stored"


def every_point(engine: Engine, study_id: str) -> list[Mapping[str, Any]]:
    """Returns one row for each answer ever stored, and one without answer for what was taken back."""
    query = (
        select(SUBMISSIONS, RATINGS.c.card, RATINGS.c.dimension, RATINGS.c.position, RATINGS.c.point)
        .join(RATINGS, isouter=True)
        .where(SUBMISSIONS.c.study_id == study_id)
        .order_by(SUBMISSIONS.c.submission_id, RATINGS.c.position, RATINGS.c.dimension)
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _same(engine: Engine, row: Mapping[str, Any], action: str, points: Sequence[Point]) -> bool:
    query = select(SUBMISSIONS.c.submission_id, SUBMISSIONS.c.action).where(
        *(SUBMISSIONS.c[name] == value for name, value in row.items())
    )
    with engine.connect() as connection:
        stored = connection.execute(query).one()
        return stored.action == action and sorted(points) == sorted(_points(connection, stored.submission_id))


def _points(connection: Connection, submission_id: Any) -> list[Point]:
    query = select(RATINGS.c.card, RATINGS.c.dimension, RATINGS.c.position, RATINGS.c.point).where(
        RATINGS.c.submission_id == submission_id
    )
    return [Point(*row) for row in connection.execute(query)]


def _configure_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers don't wait for a writer
    cursor.execute("PRAGMA synchronous = FULL")  # an answer that was confirmed survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
