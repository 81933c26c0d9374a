import pytest
from pydantic import ValidationError
from rating_study import make_study

from benchmarks.rating.study import STUDY_FILE, StudyError, card_order, item_order, read_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"), count=20)


def test_orders_are_a_function_of_seed_rater_and_item(study):
    def everything(rater):
        return [[card.key for card in card_order(study, rater, item)] for item in item_order(study, rater)]

    assert everything(1) == everything(1)
    assert everything(1) != everything(2)
    again = study.model_copy(update={"seed": study.seed + 1})
    assert [item.item_id for item in item_order(again, 1)] != [i.item_id for i in item_order(study, 1)]


def test_every_rater_sees_every_item_and_card_once(study):
    for rater in range(1, 6):
        assert sorted(item.item_id for item in item_order(study, rater)) == sorted(
            item.item_id for item in study.items
        )
        for item in study.items:
            assert sorted(card.key for card in card_order(study, rater, item)) == sorted(
                card.key for card in item.cards
            )


def test_no_model_has_a_favoured_place(study):
    item = next(item for item in study.items if len(item.cards) == 3)
    first = [card_order(study, rater, item)[0].key for rater in range(3000)]
    for card in item.cards:
        assert first.count(card.key) == pytest.approx(1000, abs=4 * (3000 * 2 / 9) ** 0.5)


def test_a_study_is_read_as_it_was_written(study, tmp_path):
    (tmp_path / STUDY_FILE).write_text(study.model_dump_json())
    assert read_study(tmp_path) == study
    assert read_study(tmp_path).study_id == study.study_id


def test_a_changed_study_has_another_id(study):
    assert study.model_copy(update={"title": "Another"}).study_id != study.study_id


def test_a_missing_or_broken_study_says_what_to_do(tmp_path):
    with pytest.raises(StudyError, match="emberline rate create"):
        read_study(tmp_path)
    (tmp_path / STUDY_FILE).write_text('{"title": 1}')
    with pytest.raises(StudyError, match="not a valid study"):
        read_study(tmp_path)


@pytest.mark.parametrize("scale", [(1.0,), (2.0, 1.0), (1.0, 1.0), (-1.0, 1.0)])
def test_a_scale_ascends_from_zero_or_more(study, scale):
    with pytest.raises(ValidationError):
        type(study).model_validate({**study.model_dump(), "scale": scale})
