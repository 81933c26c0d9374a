import os
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from benchmarks.rating.store import (
    RATINGS,
    SUBMISSIONS,
    VISITORS,
    Point,
    every_point,
    invite,
    last_points,
    open_store,
    raters_of,
    states_of,
    submit,
    visitor_of,
)

POINTS = [Point("a", "consistency", 1, 4), Point("b", "consistency", 0, 2)]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """A store and the id of a study that nobody else uses."""
    url = f"sqlite:///{tmp_path / 'ratings.sqlite'}"
    if request.param == "postgresql":
        url = os.environ.get("EMBERLINE_TEST_POSTGRES", "")
        if not url:
            pytest.skip("needs a database in EMBERLINE_TEST_POSTGRES")
    return open_store(url), uuid.uuid4().hex[:16]


def send(store, revision, points=POINTS, rater=1, item="i"):
    engine, study = store
    return submit(engine, study, rater=rater, item_id=item, revision=revision, points=points, seconds=1.0)


def test_a_submission_that_comes_twice_is_kept_once(store):
    assert send(store, 1) == "stored"
    assert send(store, 1) == "repeated"
    assert send(store, 1, POINTS[::-1]) == "repeated"
    assert len(every_point(*store)) == 2


def test_another_answer_from_an_old_page_is_a_conflict(store):
    send(store, 1)
    assert send(store, 1, [POINTS[0]._replace(point=1), POINTS[1]]) == "conflict"
    assert send(store, 1, []) == "conflict"
    assert sorted(last_points(*store, 1, "i")) == sorted(POINTS)


def test_a_new_revision_replaces_and_the_old_one_stays_on_record(store):
    send(store, 1)
    changed = [point._replace(point=5) for point in POINTS]
    assert send(store, 2, changed) == "stored"
    assert sorted(last_points(*store, 1, "i")) == sorted(changed)
    assert states_of(*store, 1)["i"].revision == 2
    assert len(every_point(*store)) == 4


def test_what_is_taken_back_can_still_be_shown(store):
    send(store, 1)
    assert send(store, 2, []) == "stored"
    assert states_of(*store, 1)["i"].action == "undone"
    assert sorted(last_points(*store, 1, "i")) == sorted(POINTS)


def test_the_latest_submission_comes_last(store):
    for item in ("i", "j", "k"):
        send(store, 1, item=item)
    send(store, 2, item="i")
    assert list(states_of(*store, 1)) == ["j", "k", "i"]


def test_raters_are_kept_apart(store):
    send(store, 1, rater=1)
    assert send(store, 1, rater=2) == "stored"
    assert states_of(*store, 3) == {}
    assert last_points(*store, 3, "i") == []


@pytest.mark.parametrize("table", [VISITORS, SUBMISSIONS, RATINGS])
def test_rows_can_neither_be_changed_nor_deleted(store, table):
    engine, study = store
    invite(engine, study, label="anna")
    send(store, 1)
    column = next(iter(table.columns))
    for statement in (update(table).values({column: 99}), delete(table)):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(statement)
    assert len(every_point(engine, study)) == 2


def test_a_token_opens_its_own_study_only_and_is_not_stored(store, tmp_path):
    engine, study = store
    visitor, token = invite(engine, study, label="anna")
    assert visitor_of(engine, study, token) == visitor == (1, "anna")
    assert visitor_of(engine, study, token + "x") is None
    assert visitor_of(engine, "another", token) is None
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.encode() not in stored


def test_raters_are_numbered_and_the_organiser_is_none_of_them(store):
    engine, study = store
    assert invite(engine, study, label="me", organiser=True)[0].number == 0
    assert [invite(engine, study, label=name)[0].number for name in ("anna", "ben")] == [1, 2]
    assert raters_of(engine, study) == {1: "anna", 2: "ben"}


def test_parallel_raters_lose_and_double_nothing(store):
    jobs = [(rater, f"i{item}") for rater in range(30) for item in range(5) for _ in range(2)]
    with ThreadPoolExecutor(30) as pool:
        outcomes = list(pool.map(lambda job: send(store, 1, rater=job[0], item=job[1]), jobs))
    assert outcomes.count("stored") == outcomes.count("repeated") == 150
    assert len(every_point(*store)) == 300


def test_opening_again_keeps_what_is_there(tmp_path):
    url = f"sqlite:///{tmp_path / 'ratings.sqlite'}"
    send((open_store(url), "s"), 1)
    assert len(every_point(open_store(url), "s")) == 2


def test_other_databases_and_missing_drivers_are_refused():
    with pytest.raises(ValueError, match="mysql is not supported"):
        open_store("mysql://localhost/ratings")
    with pytest.raises(ValueError, match="pip install"):
        open_store("postgresql+pg8000://localhost/ratings")
