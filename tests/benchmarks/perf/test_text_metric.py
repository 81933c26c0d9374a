"""The script behind the figures of the text metric."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.perf.text_metric import gone_figure, main
from models.common.pixels import encode_png


def written(folder: Path, rows: list[dict[str, object]]) -> Path:
    (folder / "ocr_text").mkdir(parents=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "ocr_text/ground_truth.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def row(lang: str, *lines: str, file: str = "ocr_text/sign.png", level: str = "lines") -> dict[str, object]:
    return {"file": file, "lang": lang, "level": level, "lines": list(lines)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = written(tmp_path / "data", [
        row("en", "HOTEL 21"),
        row("en", "HOTEL21", "", level="boxes"),
        row("zh", "HOTEL 21"),
        row("th", "ไทย"),
        row("zh", "茶", file="ocr_text/none.png"),
    ])  # fmt: skip
    (data / "ocr_text/sign.png").write_bytes(encode_png(sign("HOTEL 21")))
    return data


def sign(text: str) -> np.ndarray:
    picture = np.full((80, 260, 3), 255, np.uint8)
    cv2.putText(picture, text, (20, 55), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (0, 0, 0), 3, cv2.LINE_AA)
    return picture


def test_each_language_has_a_figure_with_its_goal(folder, tmp_path, capsys):
    assert main(["--data", str(folder), "--json", str(tmp_path / "f.json")]) == 1
    figures = json.loads((tmp_path / "f.json").read_text())
    assert [list(figure) for figure in figures] == [["name", "value", "unit", "goal", "holds"]] * 2
    assert {figure["name"]: (figure["value"], figure["holds"]) for figure in figures} == {
        "ocr.mean_zh": (1.0, False),  # a row has no picture, so the figure is of fewer than it says
        "ocr.mean_en": (1.0, True),
    }
    shown = capsys.readouterr().out
    assert "of 2 pictures" in shown
    assert "cannot name" in shown
    assert "there is no such file" in shown


def pairs_in(folder: Path, *rows: dict[str, str]) -> list[str]:
    """Writes pairs of images with words in them; returns the arguments that name them."""
    folder.mkdir()
    lines = []
    for number, row in enumerate(rows):
        names = {side: f"{number}_{side}.png" for side in ("source", "target")}
        for side, name in names.items():
            (folder / name).write_bytes(encode_png(sign(row[side])))
        lines.append(json.dumps({**row, **names, "id": str(number)}, ensure_ascii=False))
    (folder / "pairs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--pairs", str(folder / "pairs.jsonl"), "--root", str(folder)]


def figures_of(path: Path) -> dict[str, tuple[float, bool]]:
    return {figure["name"]: (figure["value"], figure["holds"]) for figure in json.loads(path.read_text())}


EDITS = [
    {"instruction": "Change 'HOTEL' to 'MOTEL'", "source": "HOTEL 21", "target": "MOTEL 21"},
    {"instruction": "Change the number", "expected_text": "34", "source": "HOTEL 21", "target": "HOTEL 34"},
    {"instruction": "Remove '21'", "source": "HOTEL 21", "target": "HOTEL"},
    {"instruction": "Make 'HOTEL' bold", "source": "HOTEL 21", "target": "HOTEL 21"},
    {"instruction": "Make it nicer", "source": "HOTEL 21", "target": "HOTEL 21"},
]


def test_edits_score_and_their_sources_do_not(folder, tmp_path, capsys):
    bad = {**EDITS[0], "target": "HOTEL 21", "target_kind": "model:idle"}
    given = pairs_in(tmp_path / "pairs", *EDITS, bad)
    main(["--data", str(folder), *given, "--json", str(tmp_path / "f.json")])
    found = figures_of(tmp_path / "f.json")
    assert found["text.targets_mean"] == (1.0, True)  # without the output of a model
    assert found["text.sources_mean"] == (0.0, True)
    assert found["text.coverage"] == (0.8, True)  # of five edits that name a text
    assert "does not see colour" in capsys.readouterr().out


def test_targets_in_which_nothing_was_done_reach_no_goal(folder, tmp_path):
    idle = [{**row, "target": row["source"]} for row in EDITS]
    assert main(["--data", str(folder), *pairs_in(tmp_path / "pairs", *idle),
                 "--json", str(tmp_path / "f.json")]) == 1  # fmt: skip
    assert figures_of(tmp_path / "f.json")["text.targets_mean"] == (0.0, False)


def test_pairs_that_are_not_there_are_told(folder, tmp_path, capsys):
    assert main(["--data", str(folder), "--pairs", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_no_unedited_image_of_a_real_benchmark_is_gone(shared_data):
    figure = gone_figure(shared_data("bench/rededit"))
    assert (figure.name, figure.value, figure.holds) == ("text.gone_false", 0, True)


def test_a_language_without_a_picture_reaches_no_goal(tmp_path, folder):
    data = written(tmp_path / "other", [row("en", "HOTEL 21")])
    (data / "ocr_text/sign.png").write_bytes((folder / "ocr_text/sign.png").read_bytes())
    assert main(["--data", str(data), "--json", str(tmp_path / "f.json")]) == 1
    figures = json.loads((tmp_path / "f.json").read_text())
    assert {figure["name"]: figure["holds"] for figure in figures} == {
        "ocr.mean_zh": False,
        "ocr.mean_en": True,
    }


def test_a_folder_without_known_texts_is_told(tmp_path, capsys):
    assert main(["--data", str(tmp_path)]) == 2
    assert "ground_truth.jsonl. Give the folder" in capsys.readouterr().err


@pytest.mark.slow
def test_chinese_and_english_are_read_well_enough(shared_data, tmp_path):
    data = shared_data("ocr_text/ground_truth.jsonl").parents[1]
    assert main(["--data", str(data), "--json", str(tmp_path / "f.json")]) == 0
    assert all(figure["value"] >= 0.9 for figure in json.loads((tmp_path / "f.json").read_text()))
