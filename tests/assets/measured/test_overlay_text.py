import json
from difflib import SequenceMatcher

import cv2
import numpy as np
import pytest
from filter_pictures import PHOTOGRAPHS, ordinary, recompressed, scaled

from assets.engine.measure import measure_shards
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.measured.overlay_text import OVERLAY_TEXT, measure_overlay_text, recognized_texts
from models.common.lettering import paint, text_mask
from models.common.pixels import decode, encode_jpeg
from models.common.progress import silent
from models.ocr.text_lines import read_lines

LIMIT = 0.012  # the demo's rule


def captioned(image: np.ndarray, words: str, height: float = 0.1, tilt: float = 0.0) -> np.ndarray:
    """The picture with outlined white words near its lower border."""
    mask = text_mask(words, int(image.shape[1] * 0.9), int(image.shape[0] * height))
    mask = cv2.copyMakeBorder(mask, 3, 3, 3, 3, cv2.BORDER_CONSTANT)
    layer = np.zeros(image.shape[:2], np.uint8)
    top = int(image.shape[0] * 0.8) - mask.shape[0] // 2
    left = (image.shape[1] - mask.shape[1]) // 2
    layer[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    if tilt:
        turn = cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] * 0.6), tilt, 0.8)
        layer = cv2.warpAffine(layer, turn, image.shape[1::-1])
    outline = cv2.dilate(layer, np.ones((3, 3), np.uint8))
    marked = paint(image, outline, (10, 10, 10), top=0, left=0, opacity=1)
    return recompressed(paint(marked, layer, (255, 255, 255), top=0, left=0, opacity=1), 85)


@pytest.mark.parametrize("words", ["SUMMER SALE", "www.example.org", "夏季大促销"])
def test_a_caption_is_read_and_its_area_measured(words):
    for image in ordinary()[:4]:
        measured = measure_overlay_text(captioned(image, words))
        assert SequenceMatcher(None, measured["text"], words).ratio() > 0.8
        mask = text_mask(words, int(image.shape[1] * 0.9), int(image.shape[0] * 0.1))
        letters = mask.size / image[..., 0].size  # the line's box has a margin around them
        assert max(LIMIT, letters) < measured["area"] < 2.2 * letters


def test_small_pictures_and_small_captions_count_too():
    cat = PHOTOGRAPHS["chelsea.png"]
    small = captioned(scaled(cat, 0.3), "HOLIDAYS", height=0.16)
    low = captioned(cat, "photograph by a friend", height=0.05)
    for picture in (small, low):
        assert measure_overlay_text(picture)["area"] > LIMIT


def test_words_seen_at_an_angle_are_read_but_not_laid_over():
    measured = measure_overlay_text(captioned(PHOTOGRAPHS["china.jpg"], "TEMPLE STREET", tilt=14))
    assert measured["lines"] == 1
    assert measured["area"] == 0


@pytest.mark.parametrize("quarter_turns", [1, 3])
def test_a_line_that_runs_up_or_down_is_laid_over(quarter_turns):
    on_its_side = np.ascontiguousarray(np.rot90(PHOTOGRAPHS["coffee.png"], -quarter_turns))
    turned = np.ascontiguousarray(np.rot90(captioned(on_its_side, "GOOD MORNING", 0.12), quarter_turns))
    measured = measure_overlay_text(turned)
    assert measured["area"] > LIMIT
    assert SequenceMatcher(None, measured["text"], "GOOD MORNING").ratio() > 0.8


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_have_no_text_laid_over(name):
    for picture in (PHOTOGRAPHS[name], recompressed(PHOTOGRAPHS[name], 30)):
        assert measure_overlay_text(picture)["area"] < LIMIT


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3), (20, 20)])
def test_every_size_is_measured(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    measured = measure_overlay_text(image)
    assert 0 <= measured["area"] <= 1
    assert isinstance(measured["text"], str)


def test_the_captioner_gets_the_text_of_each_image_by_its_id(lake: Lake):
    marked = encode_jpeg(captioned(PHOTOGRAPHS["coffee.png"], "OPEN"), 95)
    plain = encode_jpeg(PHOTOGRAPHS["coffee.png"], 95)
    images = [
        StoredImage(data, f"{number}.jpg", "demo", "CC0") for number, data in enumerate((marked, plain))
    ]
    shard = "images/demo-0000/shard-000.parquet"
    write_image_shard(lake, shard, images)
    measure_shards(lake, [shard], [OVERLAY_TEXT], workers=1, progress=silent)
    assert recognized_texts(lake, [shard]) == {images[0].image_id: "OPEN", images[1].image_id: ""}


def test_designs_and_labels_have_text_laid_over_and_streets_have_not(shared_data):
    designs = sorted(shared_data("pairs/textedit").glob("*_source.jpg"))
    streets = sorted(shared_data("ocr_text/mmocr_scene").glob("*.jpg"))
    areas = {
        path: measure_overlay_text(decode(path.read_bytes(), 1024))["area"]
        for path in [*designs[::6], *streets]
    }
    assert np.mean([areas[path] > LIMIT for path in designs[::6]]) > 0.8
    assert [path.name for path in streets if areas[path] > LIMIT] == []


def test_lines_say_what_people_read_in_them(shared_data):
    root = shared_data("ocr_text/ground_truth.jsonl").parents[1]
    rows = map(json.loads, (root / "ocr_text/ground_truth.jsonl").read_text().splitlines())
    similar = []
    for row in rows:
        if row["lang"] not in ("en", "zh", "la", "fr") or row["level"] != "lines":
            continue
        read = read_lines(decode((root / row["file"]).read_bytes(), 1024), side=512)
        text = "".join(line.text for line in read).replace(" ", "")
        said = "".join(row["lines"]).replace(" ", "")
        similar.append(SequenceMatcher(None, text, said).ratio())
    assert len(similar) >= 8
    assert np.median(similar) > 0.75
