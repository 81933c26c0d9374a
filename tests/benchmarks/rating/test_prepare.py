import json

import numpy as np
import pytest
from rating_study import MODELS, PLAN, bench_items, make_study, write_outputs

from benchmarks.rating.prepare import create_study, read_dimensions
from benchmarks.rating.study import DIMENSIONS, StudyError
from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, picture_of_pixels
from models.common.pixels import decode


def quiet(*_):
    pass


def test_all_pictures_of_an_item_have_one_size(tmp_path):
    study = make_study(tmp_path, count=3)
    for item in study.items:
        files = [*item.sources, *(card.file for card in item.cards)]
        shapes = {decode((tmp_path / "study" / file).read_bytes()).shape for file in files}
        assert shapes == {(item.height, item.width, 3)}


def test_neither_files_nor_their_bytes_name_a_model(tmp_path):
    make_study(tmp_path, count=3)
    for path in (tmp_path / "study" / "pictures").iterdir():
        assert b"model-" not in path.read_bytes()
        assert not any(model in path.name or "item" in path.name for model in MODELS)


def test_missing_and_corrupt_outputs_are_told_one_by_one(tmp_path):
    outputs = write_outputs(tmp_path, 4)
    (outputs[MODELS[0]] / "item-0.png").unlink()
    (outputs[MODELS[1]] / "item-1.jpg").write_bytes(b"no picture")
    for model, name in zip(MODELS[:2], ("item-2.png", "item-2.jpg"), strict=True):
        (outputs[model] / name).unlink()
    study = create_study(tmp_path / "study", items=bench_items(4), outputs=outputs, plan=PLAN, progress=quiet)
    gaps = {item.item_id: item.missing for item in study.items}
    assert set(gaps["item-0"]) == {MODELS[0]}
    assert "not an image" in gaps["item-1"][MODELS[1]]
    assert gaps["item-3"] == {}
    assert set(study.left_out) == {"item-2"}  # one output compares nothing
    assert set(study.left_out["item-2"]) == set(MODELS[:2])


def test_an_item_without_a_source_is_left_out_with_the_reason(tmp_path):
    def missing():
        raise MissingPictureError("no such file")

    outputs = write_outputs(tmp_path, 2)
    first, second = bench_items(2)
    gone = BenchItem(first.sample_id, "color", "stylistic", "Warm it", (Picture("gone", missing),))
    study = create_study(tmp_path / "study", items=[gone, second], outputs=outputs, plan=PLAN, progress=quiet)
    assert study.left_out == {first.sample_id: {"source": "no such file"}}


def test_sentinels_come_as_often_as_asked_and_of_both_kinds(tmp_path):
    study = make_study(tmp_path, count=10, sentinels=0.4)
    kinds = [card.kind for item in study.items for card in item.cards if card.kind != "output"]
    assert sorted(kinds) == ["duplicate", "duplicate", "unedited", "unedited"]
    for item in study.items:
        files = {card.kind: card.file for card in item.cards}
        if "unedited" in files:
            assert files["unedited"] == item.sources[0]
        if "duplicate" in files:
            twin = next(card for card in item.cards if card.kind == "duplicate")
            assert twin.file in {card.file for card in item.cards if card.kind == "output"}


def test_an_item_with_several_sources_keeps_them_in_order(tmp_path):
    outputs = write_outputs(tmp_path, 1)
    sources = [np.full((48, 64, 3), value, np.uint8) for value in (10, 20)]
    item = BenchItem(
        "item-0", "compose", "semantic", "Join 1 and 2", tuple(picture_of_pixels("s", s) for s in sources)
    )
    study = create_study(tmp_path / "study", items=[item], outputs=outputs, plan=PLAN, progress=quiet)
    stored = [decode((tmp_path / "study" / file).read_bytes()) for file in study.items[0].sources]
    assert [int(pixels.mean()) for pixels in stored] == [10, 20]


def test_a_second_study_does_not_replace_the_first(tmp_path):
    make_study(tmp_path, count=2)
    with pytest.raises(StudyError, match="holds a study already"):
        create_study(tmp_path / "study", items=bench_items(2), outputs={}, plan=PLAN, progress=quiet)


def test_outputs_that_fit_no_item_are_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match="No item has"):
        create_study(
            tmp_path / "study",
            items=bench_items(2),
            outputs={"a": tmp_path / "empty", "b": tmp_path / "empty"},
            plan=PLAN,
            progress=quiet,
        )


def test_dimensions_come_from_json(tmp_path):
    path = tmp_path / "dimensions.json"
    path.write_text(json.dumps([dimension.model_dump() for dimension in DIMENSIONS]))
    assert read_dimensions(path) == DIMENSIONS
    path.write_text('[{"key": "Not a key"}]')
    with pytest.raises(StudyError, match="JSON list of dimensions"):
        read_dimensions(path)
