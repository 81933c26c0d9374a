import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from assets.corpora.config import DemoCorpusConfig, ProbeConfig
from assets.corpora.demo import crops
from assets.corpora.demo.crops import Box, Quota, choose_images, has_content, overlap
from assets.corpora.demo.photographs import Photograph, built_in_photographs
from assets.lake.ids import content_id
from models.common.pixels import decode

CONFIG = DemoCorpusConfig(
    corpus="demo",
    images=None,
    seed=1,
    train_images=24,
    heldout_images=8,
    crop_side_min=88,
    crop_side_max=192,
    photograph_side=800,
    oblong_share=0.3,
    max_overlap=0.3,
    planted_per_defect=1,
    probe=ProbeConfig(seconds=10, memory_mib=1024, file_mib=16),
)
WANTED = {"train": Quota(30, 12), "heldout": Quota(12, 4)}


def photograph(folder, name: str, pixels: np.ndarray) -> Photograph:
    path = folder / name
    Image.fromarray(pixels).save(path)
    return Photograph(name, path, content_id(path.read_bytes()), min(pixels.shape[:2]), "CC0")


def textured(seed: int, height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(
        0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8
    )
    return np.ascontiguousarray(
        cv2.resize(coarse, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)[:height, :width]
    )


def located(piece, pixels: np.ndarray) -> Box:
    """Finds a crop in its photograph by exhaustive matching, knowing nothing of how it was cut."""
    scores = cv2.matchTemplate(pixels, piece.crop, cv2.TM_SQDIFF)
    _, _, (left, top), _ = cv2.minMaxLoc(scores)
    height, width = piece.crop.shape[:2]
    assert np.array_equal(pixels[top : top + height, left : left + width], piece.crop)
    return Box(left, top, left + width, top + height)


@pytest.fixture(scope="module")
def cuts():
    return choose_images(built_in_photographs(), CONFIG, WANTED)


@pytest.fixture(scope="module")
def places(cuts):
    pixels = {photo.name: decode(photo.data, CONFIG.photograph_side) for photo in built_in_photographs()}
    pieces = [piece for cut in cuts.values() for part in cut for piece in part]
    found = [(piece, located(piece, pixels[piece.photograph.name])) for piece in pieces]
    return found, {name: image.shape[1] for name, image in pixels.items()}


def test_there_are_as_many_pieces_as_wanted(cuts):
    assert {split: (len(cut.clean), len(cut.degraded)) for split, cut in cuts.items()} == WANTED


@pytest.mark.slow
def test_the_built_in_photographs_are_enough_for_the_demo():
    wanted = {"train": Quota(220, 72), "heldout": Quota(80, 18)}
    large = choose_images(
        built_in_photographs(), CONFIG.model_copy(update={"oblong_share": 0.15, "seed": 0}), wanted
    )
    assert {split: (len(cut.clean), len(cut.degraded)) for split, cut in large.items()} == wanted


def test_held_out_pieces_share_no_pixel_with_training(places):
    found, widths = places
    for piece, box in found:
        border = widths[piece.photograph.name] * 2 // 3
        assert box.right <= border if piece.split == "train" else box.left >= border


def test_no_two_pieces_of_a_photograph_overlap_by_more_than_allowed(places):
    found, _ = places
    for number, (piece, box) in enumerate(found):
        others = [other for later, other in found[number + 1 :] if later.photograph == piece.photograph]
        assert overlap(box, others) <= CONFIG.max_overlap


def test_a_group_is_a_photograph_and_its_region(places):
    found, _ = places
    groups = {(piece.photograph.name, piece.split): piece.group_id for piece, _ in found}
    assert all(groups[piece.photograph.name, piece.split] == piece.group_id for piece, _ in found)
    assert len(set(groups.values())) == len(groups)


def test_no_photograph_dominates(cuts):
    names = [piece.photograph.name for part in cuts["train"] for piece in part]
    counts = [names.count(name) for name in sorted(set(names))]
    assert len(counts) == 10
    assert max(counts) - min(counts) <= 2


def test_crops_come_in_three_shapes_within_the_sides(cuts):
    shapes = {piece.crop.shape[:2] for part in cuts["train"] for piece in part}
    assert all(
        CONFIG.crop_side_min * 3 // 4 <= side <= CONFIG.crop_side_max for shape in shapes for side in shape
    )
    aspects = [width / height for height, width in shapes]
    assert any(aspect > 1.2 for aspect in aspects)
    assert any(aspect < 0.8 for aspect in aspects)
    assert sum(aspect == 1 for aspect in aspects) > len(aspects) / 3


def test_cutting_twice_gives_equal_pieces(cuts):
    again = choose_images(built_in_photographs(), CONFIG, WANTED)
    for split, cut in cuts.items():
        for first, second in zip(
            cut.clean + cut.degraded, again[split].clean + again[split].degraded, strict=True
        ):
            assert np.array_equal(first.crop, second.crop)


boxes = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(boxes, boxes)
def test_overlap_is_the_intersection_over_the_union_of_pixels(one, other):
    canvas = np.zeros((2, 64, 64), bool)
    for layer, box in enumerate((one, other)):
        canvas[layer, box.top : box.bottom, box.left : box.right] = True
    expected = (canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum()
    assert overlap(one, [other]) == pytest.approx(expected)
    assert overlap(one, []) == 0


def test_sky_specks_and_blur_are_no_content():
    from skimage import data

    cat = data.chelsea()[50:200, 100:250]
    assert has_content(cat)
    assert not has_content(np.full((120, 120, 3), 130, np.uint8))
    assert not has_content(cv2.GaussianBlur(cat, (0, 0), 4))
    specks = np.full((120, 120, 3), 20, np.uint8)
    specks[::15, ::15] = 255
    assert not has_content(specks)


def test_many_photographs_are_taken_whole_and_split_by_content(tmp_path):
    photos = [photograph(tmp_path, f"{n}.png", textured(n, 60, 80)) for n in range(60)]
    cuts = choose_images(photos, CONFIG, WANTED)
    pieces = [piece for cut in cuts.values() for part in cut for piece in part]
    assert all(piece.crop is None for piece in pieces)
    assert len({piece.photograph.name for piece in pieces}) == len(pieces) >= 55
    shuffled = choose_images(photos[::-1], CONFIG, WANTED)
    splits = {
        piece.photograph.name: piece.split for cut in shuffled.values() for part in cut for piece in part
    }
    assert all(splits.get(piece.photograph.name, piece.split) == piece.split for piece in pieces)


def test_some_photographs_are_completed_with_crops_of_their_own_split(tmp_path):
    photos = [photograph(tmp_path, f"{n}.png", textured(n, 300, 400)) for n in range(26)]
    cuts = choose_images(photos, CONFIG, WANTED)
    pieces = [piece for cut in cuts.values() for part in cut for piece in part]
    whole = {piece.photograph.name: piece for piece in pieces if piece.crop is None}
    assert len(whole) == 26
    assert sum(piece.crop is not None for piece in pieces) > 20
    for piece in pieces:
        assert (piece.split, piece.group_id) == (
            whole[piece.photograph.name].split,
            whole[piece.photograph.name].group_id,
        )
        if piece.crop is not None:
            assert piece.crop.shape[0] * piece.crop.shape[1] <= 300 * 400 / 4
    assert all(piece.crop is not None for cut in cuts.values() for piece in cut.degraded)


def test_equal_files_keep_their_records_in_one_group_and_split(tmp_path):
    photos = [photograph(tmp_path, f"{n}.png", textured(n // 2, 100, 100)) for n in range(60)]
    pieces = [
        piece
        for cut in choose_images(photos, CONFIG, WANTED).values()
        for part in cut
        for piece in part
        if piece.crop is None
    ]
    assert len(pieces) >= 55
    by_content = {piece.photograph.content: (piece.split, piece.group_id) for piece in pieces}
    assert all(by_content[p.photograph.content] == (p.split, p.group_id) for p in pieces)


@pytest.mark.parametrize("size", [(60, 50), (20, 20), (90, 120), (8, 300)])
def test_three_tiny_pictures_give_both_splits(tmp_path, size):
    photos = [photograph(tmp_path, f"{n}.png", textured(n, *size)) for n in range(3)]
    cuts = choose_images(photos, CONFIG, WANTED)
    assert all(cut.clean for cut in cuts.values())
    assert {piece.photograph.name for cut in cuts.values() for piece in cut.clean} == {
        "0.png",
        "1.png",
        "2.png",
    }


def test_one_photograph_is_cut_into_both_splits(tmp_path):
    cuts = choose_images([photograph(tmp_path, "only.png", textured(3, 200, 300))], CONFIG, WANTED)
    assert all(len(cut.clean) >= 2 for cut in cuts.values())
    assert all(piece.crop is not None for cut in cuts.values() for piece in cut.clean)


def test_no_photograph_gives_more_candidates_than_its_share_allows(tmp_path, monkeypatch):
    in_turn, kept = crops._interleave, []
    monkeypatch.setattr(crops, "_interleave", lambda pools: kept.extend(map(len, pools)) or in_turn(pools))
    choose_images([photograph(tmp_path, "only.png", textured(3, 3000, 2400))] * 2, CONFIG, WANTED)
    assert max(kept) <= 3 * sum(sum(counts) for counts in WANTED.values())
