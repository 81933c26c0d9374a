"""Loaders against the official files; skips where those are missing."""

import json
from collections import Counter

import pytest

from benchmarks.suites.catalogue import load_suite
from benchmarks.suites.item import MissingPictureError
from models.vlm.messages import Say, Show

REDEDIT_TASKS = {
    "adjust": 156, "remove": 147, "add": 143, "replace": 140, "text": 123, "portrait": 102, "compose": 100,
    "color": 99, "extract": 95, "stylize": 92, "background": 91, "beauty": 79, "motion": 78, "viewpoint": 50,
    "lowlevel": 47,
}  # fmt: skip
IMGEDIT_TASKS = {
    "extract": 117, "style": 100, "add": 95, "adjust": 94, "background": 94, "replace": 92, "remove": 86,
    "action": 36, "compose": 23,
}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_rededit_bench_has_its_1542_items_of_15_tasks(shared_data, lang):
    folder = shared_data("bench/rededit")
    suite = load_suite("rededit", data=folder, images=None, lang=lang)
    assert Counter(item.kind for item in suite.items) == REDEDIT_TASKS
    assert {item.sample_id for item in suite.items} == {str(number) for number in range(1, 1543)}
    assert (suite.problems, suite.whole()) == ((), "")
    by_id = {item.sample_id: item for item in suite.items}
    for row in map(json.loads, (folder / "redbench.jsonl").read_text(encoding="utf-8").splitlines()):
        item = by_id[row["id"]]
        key = "a_to_b_instructions" if lang == "zh" else "a_to_b_instructions_eng"
        assert item.instruction == row[key]
        assert item.output == f"{row['task']}/{row['task']}-{row['id']}"  # as the official script writes it
        assert item.sources[0].name == row["source"]
    portrait = next(item for item in suite.items if item.kind == "portrait")
    assert portrait.sources[0].name.startswith("redbench/id/")


def test_rededit_asks_in_the_official_order_with_the_official_words(shared_data):
    folder = shared_data("bench/rededit")
    suite = load_suite("rededit", data=folder, images=None, lang="en")
    prompts = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
    assert dict(suite.protocol.parameters) == {"temperature": 0.1, "top_p": 0.95, "max_tokens": 8192}
    for item in suite.items[::97]:
        (question,) = suite.protocol.questions(item)
        first, said, second, told, words = question.parts
        assert (first.role, second.role) == ("source", "output")
        assert first.transport.format == second.transport.format == "png"
        assert (said.text, told.text) == ("这是原图A", "这是编辑后的图B。请进行评估。")
        assert words.text == prompts[item.kind].replace("<edit_prompt>", item.instruction)
        assert len(question.labels) == 3


def test_a_picture_that_is_not_there_is_missing_and_says_where(shared_data):
    suite = load_suite("rededit", data=shared_data("bench/rededit"), images=None, lang="en")
    with pytest.raises(MissingPictureError, match=r"redbench/.*cannot be read"):
        suite.items[0].sources[0].read()


def test_imgedit_has_its_737_items_of_171_pictures(shared_data):
    suite = load_suite("imgedit", data=shared_data("bench/imgedit"), images=None, lang="en")
    assert Counter(item.kind for item in suite.items) == IMGEDIT_TASKS
    assert len({item.cluster for item in suite.items}) == 171
    assert suite.whole() == ""
    (question,) = suite.protocol.questions(suite.items[0])
    assert [type(part) for part in question.parts] == [Say, Show, Show]
    assert {part.transport.format for part in question.parts[1:]} == {"file"}
    assert suite.items[0].output == suite.items[0].sample_id
    assert dict(suite.protocol.parameters) == {}  # the official script sets none


def test_imgedit_uge_has_its_47_items_and_says_that_the_rubric_is_ours(shared_data):
    suite = load_suite("imgedit_uge", data=shared_data("bench/imgedit"), images=None, lang="en")
    assert len(suite.items) == 47
    assert not suite.protocol.official
    assert "our rubric" in suite.protocol.name


def test_risebench_has_16_items_of_each_of_4_categories(shared_data):
    suite = load_suite("risebench", data=shared_data("bench/risebench"), images=None, lang="en")
    assert set(Counter(item.kind for item in suite.items).values()) == {16}
    assert len(suite.items) == 64
    assert "lacks 296 of its 360 samples" in suite.whole()
    for item in suite.items:
        assert item.output == f"images/{item.kind}/{item.sample_id}"
        (question,) = suite.protocol.questions(item)
        assert len(question.labels) in (1, 2, 3)


def test_risebench_pictures_are_found_beside_the_list(shared_data, tmp_path):
    pictures = shared_data("pairs/risebench")
    rows = json.loads((shared_data("bench/risebench") / "data_total.json").read_text(encoding="utf-8"))
    have = [row for row in rows if any(pictures.glob(f"{row['index']}.*"))]
    assert have
    found = [next(pictures.glob(f"{row['index']}.*")).name for row in have]
    listed = [{**row, "image": name} for row, name in zip(have, found, strict=True)]
    (tmp_path / "data_ours.json").write_text(json.dumps(listed))
    suite = load_suite("risebench", data=tmp_path, images=pictures, lang="en")
    assert all(item.sources[0].pixels(64).ndim == 3 for item in suite.items[:4])


def test_texteditbench_has_1195_items_whatever_their_fields_are_called(shared_data):
    data = shared_data("bench/textedit/metadata_1195.json")
    suite = load_suite("textedit", data=data, images=data.parent, lang="en")
    assert len(suite.items) == 1195
    assert suite.problems == ()
    kinds = Counter(item.kind for item in suite.items)
    assert "scaling" in kinds
    assert "scalling" not in kinds
    assert sum("knowledge_prompt" in item.facts for item in suite.items) >= 288
    assert sum(item.truth is not None for item in suite.items) == 689


def test_texteditbench_names_its_malformed_files_and_reads_the_one_with_a_mark(shared_data, tmp_path):
    bench = shared_data("bench/textedit")
    for number in (0, 1):
        folder = tmp_path / "topic" / str(number)
        folder.mkdir(parents=True)
        (folder / "metadata.json").write_bytes((bench / f"malformed_{number}.json").read_bytes())
    suite = load_suite("textedit", data=tmp_path, images=None, lang="en")
    assert len(suite.items) == 1  # the one with a byte order mark
    assert len(suite.problems) == 1
    assert "is not JSON" in suite.problems[0]
