"""What outputs did besides the edit: measured with real photographs and edits that are known to the pixel."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from toy_weights import faces_folder, lpips_folder

from benchmarks.metrics import auxiliary as measure
from benchmarks.metrics.auxiliary import METRICS, AuxiliaryTools, measure_auxiliary
from benchmarks.metrics.preservation import preservation
from benchmarks.metrics.region import changed_region, edit_region
from benchmarks.metrics.text.places import TextPlaces
from benchmarks.scoring.tools import auxiliary_tools
from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, SuiteError, picture_of_pixels
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.textedit import load_textedit
from models.common.pixels import encode_png
from models.common.progress import silent
from models.descriptors.copy_descriptor import CopyDescriptor, save_descriptor
from models.similarity.pair_metrics import PSNR_CAP

PHOTOGRAPH = data.coffee()
HEIGHT, WIDTH = PHOTOGRAPH.shape[:2]
PLACE = (slice(120, 200), slice(80, 220))


def with_a_box(picture: np.ndarray, colour=(220, 40, 40)) -> np.ndarray:
    """Returns a picture with an edit: a box of one colour."""
    edited = picture.copy()
    edited[PLACE] = colour
    return edited


def shifted(picture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def item(name: str = "1", *, truth=None, mask=None, source=PHOTOGRAPH) -> BenchItem:
    def held(pixels):
        return None if pixels is None else picture_of_pixels("x", pixels)

    return BenchItem(
        name, "add", "add", "Add a box", (picture_of_pixels("s", source),), held(truth), mask=held(mask)
    )


def outputs(folder: Path, pictures: dict[str, dict[str, np.ndarray]]) -> dict[str, Outputs]:
    """Writes model to sample id to picture as files."""
    found = {}
    for model, made in pictures.items():
        paths = {}
        for name, pixels in made.items():
            paths[name] = folder / model / f"{name}.png"
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            paths[name].write_bytes(encode_png(pixels))
        found[model] = Outputs(paths, {}, [])
    return found


def figures(result) -> dict[tuple[str, str], float]:
    return {(row["model"], row["measure"]): row["values"][0] for row in result.rows if row["values"]}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("companions")
    edited = with_a_box(PHOTOGRAPH)
    models = {
        "clean": edited,
        "shifted": shifted(edited, 4, -3),
        "repainted": with_a_box(cv2.GaussianBlur(PHOTOGRAPH, (0, 0), 4)),
        "new": cv2.resize(data.rocket(), (WIDTH, HEIGHT)),
    }
    found = outputs(folder / "out", {name: {"1": picture} for name, picture in models.items()})
    result = measure_auxiliary([item(truth=edited)], found, AuxiliaryTools(), folder=folder, progress=silent)
    return folder, result, figures(result)


def test_a_clean_edit_kept_everything_outside_it(measured):
    _, _, found = measured
    assert found["clean", "kept_psnr"] == PSNR_CAP
    assert found["clean", "kept_ssim"] == pytest.approx(1)
    assert found["clean", "kept_mse"] == 0
    assert found["clean", "shift"] < 0.05


def test_a_shift_is_told_and_does_not_count_as_a_change(measured):
    _, _, found = measured
    assert found["shifted", "shift"] == pytest.approx(5, abs=0.1)
    unaligned = peak_signal_noise_ratio(with_a_box(PHOTOGRAPH), shifted(with_a_box(PHOTOGRAPH), 4, -3))
    assert found["shifted", "kept_psnr"] > unaligned + 10
    assert found["repainted", "kept_psnr"] < found["shifted", "kept_psnr"]


def test_a_new_picture_has_no_shift_and_kept_little(measured):
    _, result, found = measured
    assert ("new", "shift") not in found
    assert found["new", "kept_ssim"] < 0.5
    assert any(note.startswith("1 of 4 outputs have too little in common") for note in result.notes)


def test_an_output_that_cannot_be_aligned_counts_as_missing_for_its_model(measured):
    _, result, _ = measured
    rows = {row["model"]: row for row in result.rows if row["measure"] == "shift"}
    assert set(rows) == {"clean", "shifted", "repainted", "new"}
    assert (rows["new"]["state"], rows["new"]["values"]) == ("unmeasured", [])
    assert "too little in common" in rows["new"]["note"]


def test_a_missing_source_and_a_broken_truth_are_rows_that_say_so(tmp_path):
    def gone():
        raise MissingPictureError("lost.png cannot be read")

    lost, cut = Picture("lost.png", gone), Picture("cut.png", lambda: encode_png(PHOTOGRAPH)[:900])
    items = [
        replace(item("1", truth=PHOTOGRAPH), sources=(lost,)), replace(item("2"), sources=(lost,)),
        replace(item("3"), truth=cut),
    ]  # fmt: skip
    found = outputs(tmp_path, {"mine": dict.fromkeys("123", PHOTOGRAPH)})
    result = measure_auxiliary(items, found, AuxiliaryTools(), folder=tmp_path, progress=silent)
    told = {(row["sample_id"], row["measure"]): (row["state"], row["note"]) for row in result.rows}
    assert told["1", "shift"] == told["2", "zoom"] == ("missing_source", "lost.png cannot be read")
    assert told["1", "kept_psnr"][0] == told["3", "kept_psnr"][0] == "missing_source"
    assert told["3", "kept_psnr"][1].startswith("mask or known truth: ")
    assert ("2", "kept_psnr") not in told
    assert told["3", "shift"] == ("ok", "")


def test_the_reason_for_a_missing_output_is_kept(tmp_path):
    found = {"mine": Outputs({}, {"1": "the editor failed: no idea"}, [])}
    result = measure_auxiliary([item()], found, AuxiliaryTools(), folder=tmp_path, progress=silent)
    assert {row["note"] for row in result.rows} == {"the editor failed: no idea"}


def test_large_pictures_are_compared_small_and_their_shift_is_told_in_their_own_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "LONG_SIDE", 300)
    compared = []
    real = preservation

    def seen(source, output, outside):
        compared.append(source.shape)
        return real(source, output, outside)

    monkeypatch.setattr(measure, "preservation", seen)
    edited = with_a_box(PHOTOGRAPH)
    found = outputs(tmp_path, {"shifted": {"1": shifted(edited, 4, -3)}})
    result = measure_auxiliary(
        [item(truth=edited)], found, AuxiliaryTools(), folder=tmp_path, progress=silent
    )
    assert figures(result)["shifted", "shift"] == pytest.approx(5, abs=0.3)
    record = json.loads((tmp_path / "companions.jsonl").read_text())
    assert (record["alignment"]["dx"], record["alignment"]["dy"]) == pytest.approx((4, -3), abs=0.3)
    assert {max(shape) for shape in compared} == {300}
    assert any("1 sources are over 300 pixels long" in note for note in result.notes)


def test_what_lacks_weights_is_named_and_absent(measured):
    _, result, found = measured
    assert not {measure for _, measure in found} & {"identity", "kept_lpips", "kept_descriptor"}
    assert any("faces, descriptor, lpips" in note for note in result.notes)
    assert result.facts == {"companions": {"faces": None, "descriptor": None, "lpips": None}}


def test_each_sample_is_told_with_its_motion(measured):
    folder, _, _ = measured
    records = [json.loads(line) for line in (folder / "companions.jsonl").read_text().splitlines()]
    (moved,) = [record for record in records if record["model"] == "shifted"]
    assert (moved["alignment"]["dx"], moved["alignment"]["dy"]) == pytest.approx((4, -3), abs=0.1)
    assert [record["alignment"] is None for record in records] == [False, False, False, True]


def test_missing_and_broken_outputs_are_rows_without_a_value(tmp_path):
    found = outputs(tmp_path, {"mine": {"1": PHOTOGRAPH}})
    (tmp_path / "mine/2.png").write_bytes(b"\x89PNG cut")
    found["mine"].paths["2"] = tmp_path / "mine/2.png"
    items = [item(name, truth=with_a_box(PHOTOGRAPH)) for name in "123"]
    result = measure_auxiliary(items, found, AuxiliaryTools(), folder=tmp_path, progress=silent)
    states = {(row["sample_id"], row["state"]) for row in result.rows if row["measure"] == "kept_psnr"}
    assert states == {("1", "ok"), ("2", "missing_output"), ("3", "missing_output")}


def test_without_mask_and_truth_nothing_outside_is_claimed(tmp_path):
    found = outputs(tmp_path, {"mine": {"1": PHOTOGRAPH}})
    result = measure_auxiliary([item()], found, AuxiliaryTools(), folder=tmp_path, progress=silent)
    assert {row["measure"] for row in result.rows} == {"shift", "zoom"}
    assert any("No sample says where its edit belongs" in note for note in result.notes)


def corners(rows: slice, columns: slice) -> list[list[float]]:
    left, right, top, bottom = columns.start, columns.stop, rows.start, rows.stop
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def test_where_only_text_says_where_an_edit_is_the_rest_is_what_lies_outside_its_boxes(tmp_path):
    new = (slice(300, 340), slice(400, 500))
    source = with_a_box(PHOTOGRAPH)
    moved = PHOTOGRAPH.copy()
    moved[new] = 255
    spoiled = moved.copy()
    spoiled[:60] = 255 - spoiled[:60]
    pictures = {
        "mine": {"1": moved},
        "large": {"1": cv2.resize(moved, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)},
        "shift": {"1": shifted(moved, 6, 4)},
        "spoiled": {"1": spoiled},
        "none": {"1": source},
    }
    boxes = {"mine": [corners(*new)], "large": [(2 * np.array(corners(*new))).tolist()],
             "shift": [(np.array(corners(*new)) + np.array((6, 4))).tolist()], "spoiled": [corners(*new)],
             "none": []}  # fmt: skip
    found = outputs(tmp_path, pictures)

    def measured(*old):
        places = {"1": TextPlaces(old, boxes)}
        return measure_auxiliary(
            [item(source=source)], found, AuxiliaryTools(), folder=tmp_path, progress=silent, places=places
        )

    result = measured(corners(*PLACE))
    kept = {model: value for (model, name), value in figures(result).items() if name == "kept_mse"}
    assert kept["mine"] == kept["none"] == 0
    assert kept["large"] < 5
    assert kept["shift"] < 60
    assert kept["spoiled"] > 500
    assert any("1 samples have neither mask nor truth" in note for note in result.notes)
    added = measured()  # nothing is replaced, so where nothing new is found no place is known
    (row,) = [row for row in added.rows if (row["model"], row["measure"]) == ("none", "kept_mse")]
    assert (row["state"], row["values"]) == ("unmeasured", [])
    assert "OCR finds no text" in row["note"]


def test_a_mask_says_more_than_text(tmp_path):
    mask = np.zeros_like(PHOTOGRAPH)
    mask[PLACE] = 255
    found = outputs(tmp_path, {"mine": {"1": with_a_box(PHOTOGRAPH)}})
    places = {"1": TextPlaces([], {"mine": []})}
    masked = item(mask=mask)
    result = measure_auxiliary(
        [masked], found, AuxiliaryTools(), folder=tmp_path, progress=silent, places=places
    )
    assert figures(result)["mine", "kept_mse"] == 0


def test_all_weights_together_fill_every_measure(tmp_path):
    save_descriptor(CopyDescriptor(), tmp_path / "descriptor")
    tools = auxiliary_tools([
        f"faces={faces_folder(tmp_path / 'faces')}",
        f"descriptor={tmp_path / 'descriptor'}",
        f"lpips={lpips_folder(tmp_path / 'lpips')}",
    ])  # fmt: skip
    source = PHOTOGRAPH.copy()
    source[256:288, 320:352] = 255  # what the tiny detector takes for a face
    edited = with_a_box(source)
    found = outputs(tmp_path, {"mine": {"1": edited}, "lost": {"1": with_a_box(PHOTOGRAPH)}})
    result = measure_auxiliary(
        [item(truth=edited, source=source)], found, tools, folder=tmp_path, progress=silent
    )
    values = figures(result)
    assert {name for model, name in values if model == "mine"} == {measure.name for measure in METRICS}
    assert values["mine", "identity"] == pytest.approx(1, abs=1e-3)
    assert values["lost", "identity"] == 0
    assert values["mine", "kept_lpips"] == 0
    assert values["mine", "kept_descriptor"] == pytest.approx(1)
    assert values["lost", "kept_lpips"] > 0
    assert not any("weights are missing" in note for note in result.notes)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (["eyes=/tmp"], "one of faces, descriptor, lpips"),
        (["faces"], "expected NAME=DIR"),
        (["faces=/nowhere"], "there is no folder /nowhere"),
        (["faces=."], r"files \*yunet\*.onnx, expected one"),
        (["descriptor=."], "has no model.safetensors"),
        (["lpips=."], "LPIPS needs a tensor"),
        (["lpips=.", "lpips=."], "NAME once"),
    ],
)
def test_wrong_weights_are_told_with_the_mend(tmp_path, monkeypatch, weights, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SuiteError, match=message):
        auxiliary_tools(weights)


def test_the_region_is_the_mask_and_what_the_truth_changes():
    mask = np.zeros_like(PHOTOGRAPH)
    mask[300:340, 400:500] = 255
    both = edit_region(item(truth=with_a_box(PHOTOGRAPH), mask=mask))
    assert both is not None
    assert both[PLACE].all()
    assert both[300:340, 400:500].all()
    assert not both[:100].any()
    only = edit_region(item(mask=mask))
    assert only is not None
    assert not only[PLACE].any()
    assert edit_region(item()) is None


def test_noise_of_compression_is_no_region():
    noisy = np.clip(PHOTOGRAPH + np.random.default_rng(0).normal(0, 4, PHOTOGRAPH.shape), 0, 255).astype(
        np.uint8
    )
    assert changed_region(PHOTOGRAPH, noisy).mean() < 0.05


def test_differences_are_those_of_the_pixels_that_count():
    changed = PHOTOGRAPH.copy()
    changed[:, :300] = 255 - changed[:, :300]
    changed[:, 300:] = np.clip(changed[:, 300:].astype(int) + 7, 0, 255)
    outside = np.zeros((HEIGHT, WIDTH), bool)
    outside[:, 300:] = True
    found = preservation(PHOTOGRAPH, changed, outside)
    assert found is not None
    expected = peak_signal_noise_ratio(PHOTOGRAPH[:, 300:], changed[:, 300:])
    assert found.psnr == pytest.approx(expected)
    assert found.share == pytest.approx(0.5)
    whole = preservation(PHOTOGRAPH, changed, np.ones_like(outside))
    assert whole is not None
    assert whole.ssim < 0.6 < found.ssim
    assert preservation(PHOTOGRAPH, changed, outside & (np.arange(WIDTH) < 305)) is None


def test_people_who_edit_text_leave_the_rest_alone(shared_data, tmp_path):
    """Real edits by people, of a mask each: outside it they are their sources, within noise of JPEG."""
    rows = [json.loads(line) for line in shared_data("pairs/pairs.jsonl").read_text().splitlines()]
    names = ("Art_Creative_Expression_026", "Crafts_Personal_Creations_047", "Media_Publishing_018")
    paths = {}
    for row in rows:
        if row["id"].split("/")[-1] in names:
            folder = tmp_path / "bench" / row["id"].split("/")[-1]
            folder.mkdir(parents=True)
            for role, name in (("source", "1.jpg"), ("target", "t.jpg"), ("target_mask", "t_mask.jpg")):
                (folder / name).write_bytes(shared_data(row[role]).read_bytes())
            meta = {"id": row["id"], "prompt": row["instruction"], "editing_method": row["sub"],
                    "input_image": "1.jpg", "output_image": "t.jpg"}  # fmt: skip
            (folder / "meta.json").write_text(json.dumps(meta))
            paths[folder.name] = shared_data(row["target"])
    suite = load_textedit(tmp_path / "bench", tmp_path / "bench", "en")
    assert len(suite.items) == len(names)
    found = {"people": Outputs({item.sample_id: paths[item.sample_id] for item in suite.items}, {}, [])}
    result = measure_auxiliary(suite.items, found, AuxiliaryTools(), folder=tmp_path, progress=silent)
    kept = [row["values"][0] for row in result.rows if row["measure"] == "kept_psnr"]
    moves = [row["values"][0] for row in result.rows if row["measure"] == "shift"]
    assert min(kept) > 50
    assert max(moves) < 0.05
    assert len(kept) == len(moves) == len(names)
