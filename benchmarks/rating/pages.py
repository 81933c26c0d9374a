"""The pages that a rater sees, as data for the templates, and what their forms come to."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.rating.site import Guest, Site, signed_fields
from benchmarks.rating.store import ItemState, Point, last_points, states_of
from benchmarks.rating.study import LETTERS, Card, Dimension, Study, StudyItem, card_order, item_order

Answers = Mapping[tuple[int, str], int]
"""(position, dimension) to the point of the scale."""


def item_page(
    site: Site, guest: Guest, number: int, *, answers: Answers | None = None, problem: str = ""
) -> dict[str, Any]:
    """Returns what the rating page of a rater's n-th item shows.

    Args:
        site: the study.
        guest: the rater.
        number: from 1.
        answers: that were just sent and not stored; by default those of the store.
        problem: why they were not stored.
    """
    study, rater = site.study, guest.visitor.number
    item = item_order(study, rater)[number - 1]
    states = states_of(site.engine, study.study_id, rater)
    state = states.get(item.item_id, ItemState(0, "undone"))
    if answers is None:
        stored = last_points(site.engine, study.study_id, rater, item.item_id)
        answers = {(point.position, point.dimension): point.point for point in stored}
    return {
        **progress(site, guest, states),
        "number": number,
        "item": item,
        "cards": [
            _card(study, number, position, answers) for position in range(len(card_order(study, rater, item)))
        ],
        "hidden": signed_fields(guest, "rate", item.item_id, state.revision + 1),
        "stored": state.action == "rated",
        "draft": f"{guest.signature('draft', item.item_id)[:16]}.{state.revision}",
        "problem": problem,
        "undo": _undo(site, guest, states),
        "preload": _pictures(study, rater, number % len(study.items) + 1),
    }


def progress(site: Site, guest: Guest, states: Mapping[str, ItemState] | None = None) -> dict[str, Any]:
    """Returns how far a rater is: each item's number and whether it is rated, and the first that is not."""
    study, rater = site.study, guest.visitor.number
    states = states_of(site.engine, study.study_id, rater) if states is None else states
    rated = [_is_rated(states, item) for item in item_order(study, rater)]
    return {
        "study": study,
        "letters": LETTERS,
        "rated": rated,
        "done": sum(rated),
        "total": len(rated),
        "first_open": rated.index(False) + 1 if False in rated else None,
    }


def next_open(rated: Sequence[bool], number: int) -> int | None:
    """Returns the number of the next unrated item, wrapping around; None where all are rated."""
    later = [*range(number, len(rated)), *range(number)]
    return next((place + 1 for place in later if not rated[place]), None)


def read_answers(study: Study, cards: Sequence[Card], form: Mapping[str, str]) -> Answers:
    """Returns the valid answers of a form; what is missing or not on the scale is left out."""
    points = {str(point): point for point in range(1, len(study.scale) + 1)}
    return {
        (position, dimension.key): points[form[name]]
        for position in range(len(cards))
        for dimension in study.dimensions
        if form.get(name := field(position, dimension)) in points
    }


def missing_answers(study: Study, cards: Sequence[Card], answers: Answers) -> list[str]:
    """Returns the questions without an answer, as the page calls them."""
    return [
        f"{dimension.name} of picture {LETTERS[position]}"
        for position in range(len(cards))
        for dimension in study.dimensions
        if (position, dimension.key) not in answers
    ]


def to_points(cards: Sequence[Card], answers: Answers) -> list[Point]:
    """Returns the answers with the cards that stood at their positions."""
    return [
        Point(cards[position].key, dimension, position, point)
        for (position, dimension), point in sorted(answers.items())
    ]


def field(position: int, dimension: Dimension) -> str:
    """Returns the form field of one question: it names the place on the page and nothing else."""
    return f"{LETTERS[position].lower()}.{dimension.key}"


def _pictures(study: Study, rater: int, number: int) -> list[str]:
    item = item_order(study, rater)[number - 1]
    return [f"/items/{number}/{place}.png" for place in picture_files(study, rater, item)]


def _card(study: Study, number: int, position: int, answers: Answers) -> dict[str, Any]:
    return {
        "letter": LETTERS[position],
        "picture": f"/items/{number}/{LETTERS[position].lower()}.png",
        "questions": [
            {
                "field": field(position, dimension),
                "dimension": dimension,
                "chosen": answers.get((position, dimension.key)),
            }
            for dimension in study.dimensions
        ],
    }


def picture_files(study: Study, rater: int, item: StudyItem) -> dict[str, str]:
    """Returns the files of a rater's page by their places on it: source1, ..., a, b, ..."""
    sources = {f"source{place}": file for place, file in enumerate(item.sources, start=1)}
    cards = card_order(study, rater, item)
    return sources | {LETTERS[place].lower(): card.file for place, card in enumerate(cards)}


def _undo(site: Site, guest: Guest, states: Mapping[str, ItemState]) -> dict[str, Any] | None:
    if not states:
        return None
    item_id, state = list(states.items())[-1]
    if state.action != "rated":
        return None
    order = [item.item_id for item in item_order(site.study, guest.visitor.number)]
    number = order.index(item_id) + 1
    return {"number": number, "hidden": signed_fields(guest, "undo", item_id, state.revision + 1)}


def _is_rated(states: Mapping[str, ItemState], item: StudyItem) -> bool:
    return item.item_id in states and states[item.item_id].action == "rated"
