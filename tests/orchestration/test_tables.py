from io import StringIO

from rich.console import Console

from orchestration.tables import print_history, print_status

FIGURES = {"model_error": 0.25, "copy_error": 0.5}
FOUND = {
    "home": "/somewhere",
    "funnel": [{"stage": "filtered", "in": 10, "kept": 7, "dropped": {"blur": 2, "codes": 1}}],
    "filters": {"blur": {"precision": 1.0, "recall": None, "planted": 2}},
    "coverage": {"text": {"before": 4, "after": 8}},
    "evaluator": {"auc": 0.97, "auc_instruction_only": 0.5, "auc_pictures_only": None, "seconds": 26.0},
    "stages": [
        {
            "stage": "sft",
            "steps": 40,
            "first_validation_loss": 1.5,
            "last_validation_loss": 0.75,
            "seconds": 12.4,
            "samples_per_second": 80.2,
            "world_size": 2,
            "zero_stage": 1,
            "version": "3",
        }
    ],
    "bench": {"blur": {"sft": FIGURES}, "text": {"sft": {"model_error": 0.75, "copy_error": 1.5}}},
    "bench_editors": [{"editor": "sft", "model_error": 0.5, "copy_error": 1.0}],
    "registry": {
        "name": "emberline-edit",
        "server": "sqlite:///mlflow.db",
        "aliases": {
            "challenger": {"stage": "dpo", "version": "4"},
            "champion": {"stage": None, "version": "5"},
        },
        "decision": {"promoted": False, "reasons": ["it is not better"]},
        "problems": ["version 3 is gone"],
    },
    "disk_bytes": 3 * 2**20,
}


def printed(print_something, value) -> str:
    paper = StringIO()
    print_something(value, Console(file=paper, width=160, color_system=None))
    return paper.getvalue()


def test_the_status_is_printed_with_every_figure():
    shown = printed(print_status, FOUND)
    for said in (
        "blur 2, codes 1",
        "1.500 to 0.750",
        "auc 0.970, auc_instruction_only 0.500, auc_pictures_only -",
        "registry: emberline-edit, challenger version 4 (dpo), champion version 5 (of another home)",
        "the last run did not promote its best version: it is not better",
        "not true any more: version 3 is gone",
        "/somewhere: 3 MiB",
    ):
        assert said in shown
    means = next(line for line in shown.splitlines() if "mean over kinds" in line)
    assert [cell.strip() for cell in means.strip("│").split("│")] == ["mean over kinds", "1.000", "0.500"]


def test_what_is_not_made_is_said_in_a_line_each():
    shown = printed(print_status, dict.fromkeys(FOUND) | {"home": "/somewhere"})
    assert shown.count("not computed yet") == 7
    assert "MiB" not in shown


def test_a_life_is_a_tree_of_what_there_is():
    life = {
        "image_id": "abc",
        "files": [{"path": "a.jpg", "error": None}, {"path": "b.jpg", "error": None}],
        "measures": {"photometric@1": {"sharpness": 0.5}},
        "planted": [],
        "samples": [],
        "url": None,
        "caption": "long " * 100,
    }
    shown = printed(print_history, life)
    assert shown.splitlines()[0] == "image abc"
    assert "files (2)" in shown
    assert "path=a.jpg" in shown
    assert "sharpness: 0.5" in shown
    assert "error=" not in shown
    assert "planted" not in shown
    assert "…" in shown
    assert max(map(len, shown.splitlines())) < 130


def test_the_life_of_a_sample_is_headed_by_its_id():
    assert printed(print_history, {"sample_id": "s1", "target_id": "t"}).startswith("sample s1")


def test_text_of_a_corpus_is_shown_as_it_is_and_never_as_markup():
    text = "[bold]red[/] :smile: [unclosed \x1b]0;title\x07"
    shown = printed(print_history, {"sample_id": "s1", "texts": [{"text": text}], "note": "[/]"})
    assert "text=[bold]red[/] :smile: [unclosed \N{REPLACEMENT CHARACTER}]0;title" in shown
    assert "note: [/]" in shown
    assert "\x1b" not in shown
