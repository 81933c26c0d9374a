"""Loaders against small files of our own that look like the official ones, and against broken ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_bench
from toy_bench import gedit, imgedit, kris, rededit, write, write_json
from toy_suite import items, load, picture

from benchmarks.parsing.reading import State
from benchmarks.suites import suite as suite_module
from benchmarks.suites.catalogue import SUITES
from benchmarks.suites.item import BenchItem, MissingPictureError, SuiteError, picture_of_pixels
from benchmarks.suites.plain import write_plain
from benchmarks.suites.suite import picture_below, read_json
from models.common.pixels import encode_png


@pytest.mark.parametrize(
    "line",
    [b'{"id": ', b"\xff\xfe", b"[" * 100_000, b"null", b'"text"', b'{"id": "1"}'],
    ids=["cut", "no text", "nested", "null", "text", "incomplete"],
)
def test_a_line_that_is_no_row_costs_its_own_row_alone(tmp_path, line):
    for name, make, file in (
        ("rededit", rededit, "redbench.jsonl"),
        ("gedit", lambda folder: gedit(folder, "export"), "metadata.jsonl"),
    ):
        path = make(tmp_path / name) / file
        whole = load(name, tmp_path / name)
        lines = path.read_bytes().strip().split(b"\n")
        path.write_bytes(b"\n".join([lines[0], line, *lines[1:]]))
        suite = load(name, tmp_path / name)
        assert [item.sample_id for item in suite.items] == [item.sample_id for item in whole.items]
        assert len(suite.problems) == 1


def test_signs_that_end_a_line_of_text_end_no_line_of_json(tmp_path):
    path = rededit(tmp_path) / "redbench.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, sign in zip(rows, "\u2028\u2029\x85", strict=False):
        row["a_to_b_instructions_eng"] = f"Write{sign} this"
    path.write_text("\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    suite = load("rededit", tmp_path)
    assert (len(suite.items), suite.problems) == (6, ())
    assert "Write\u2028 this" in {item.instruction for item in suite.items}


def test_rededit_rows_that_cannot_be_used_are_told_one_by_one(tmp_path):
    rededit(tmp_path)
    lines = (tmp_path / "redbench.jsonl").read_text().splitlines()
    bad = ['{"id": 7}', "[]", json.dumps({**json.loads(lines[0]), "id": "8", "source": "../../etc/passwd"}),
           json.dumps({**json.loads(lines[0]), "id": "9", "task": "../../evil"})]  # fmt: skip
    (tmp_path / "redbench.jsonl").write_text("\ufeff" + "\n\n".join([*lines, *bad]) + "\n", encoding="utf-8")
    suite = load("rededit", tmp_path)
    assert len(suite.items) == 6
    assert [problem.split(":")[0] for problem in suite.problems] == ["redbench.jsonl"] * 4
    assert "must be a text, found 7" in suite.problems[0]
    assert "leads out of" in suite.problems[2]
    assert "not a path below the folder" in suite.problems[3]


def prompts_with(changes: dict[str, str | None]) -> bytes:
    prompts = {task: toy_bench.prompt(task) for task in toy_bench.TASKS} | changes
    return json.dumps({task: text for task, text in prompts.items() if text is not None}).encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("redbench.jsonl", b"{", r"redbench.jsonl:1 is not JSON"),
        ("redbench.jsonl", b"\xff\xfe\x00", "cannot be read"),
        ("redbench.jsonl", b'{"id": "1"}', "No item of REDEdit-Bench, English can be used. The first reason"),
        ("prompts.json", b"[]", "must be an object of texts"),
        ("prompts.json", prompts_with({"text": None}), "has no prompt for the task 'text'. It names add"),
        ("prompts.json", prompts_with({"add": "Judge: <edit_prompt>"}), "the prompt of 'add' needs .* lines"),
        (
            "prompts.json",
            prompts_with({"add": toy_bench.prompt("add").replace("<edit_prompt>", "this")}),
            "the prompt of 'add' needs <edit_prompt>",
        ),
    ],
)
def test_files_that_are_not_rededit_bench_say_what_was_expected(tmp_path, name, content, message):
    write(rededit(tmp_path) / name, content)
    with pytest.raises(SuiteError, match=message):
        load("rededit", tmp_path)


def test_a_suite_that_lacks_items_says_so_and_counts_rows_that_it_could_not_read(tmp_path):
    path = rededit(tmp_path) / "redbench.jsonl"
    path.write_text(path.read_text() + "{\n[]\n")
    suite = load("rededit", tmp_path)
    assert (suite.expected, suite.rejected, suite.lacking) == (1542, 2, 1542 - 6 - 2)
    assert "lacks 1,534 of its 1,542 samples" in suite.whole()
    assert "2 rows of the suite could not be used" in suite.whole()
    assert replace(suite, expected=8).whole().startswith("2 rows")
    assert replace(suite, expected=None, rejected=0).whole() == ""


@pytest.mark.parametrize(
    ("name", "lang", "count"),
    [
        ("imgedit", "en", 737), ("imgedit_uge", "en", 47), ("gedit", "zh", 606), ("kris", "en", 1267),
        ("gedit_local_intersection", "en", 451), ("imgedit_multiturn", "en", None),
    ],
)  # fmt: skip
def test_every_loader_knows_how_many_items_its_benchmark_has(tmp_path, name, lang, count):
    {"gedit": gedit, "imgedit": imgedit, "kris": kris}[name.partition("_")[0]](tmp_path)
    write_json(tmp_path / "turns.json", {"1": {"id": "animal/0.jpg", "turn1": "Add a dog"}})
    assert load(name, tmp_path, lang).expected == count


def test_missing_files_say_where_to_point(tmp_path):
    with pytest.raises(SuiteError, match="Point --data at the benchmark"):
        load("rededit", tmp_path)
    (rededit(tmp_path) / "prompts.json").unlink()
    with pytest.raises(SuiteError, match="judged by its own prompts"):
        load("rededit", tmp_path)
    with pytest.raises(SuiteError, match="There is no suite 'redit'"):
        load("redit", tmp_path)
    with pytest.raises(SuiteError, match="imgedit has no Chinese"):
        load("imgedit", tmp_path, "zh")


def test_the_same_id_twice_stops_a_suite(tmp_path):
    path = rededit(tmp_path) / "redbench.jsonl"
    path.write_text(path.read_text() * 2)
    with pytest.raises(SuiteError, match="more than once: 1, 2"):
        load("rededit", tmp_path)


def test_imgedit_items_of_one_picture_are_one_cluster(tmp_path):
    suite = load("imgedit", imgedit(tmp_path))
    clusters = {item.sample_id: item.cluster for item in suite.items}
    assert clusters["0"] == clusters["2"] == "animal/0.jpg"
    assert clusters["1"] == "animal/1.jpg"
    write_json(tmp_path / "basic_edit.json", [])
    with pytest.raises(SuiteError, match="must be an object of items by key"):
        load("imgedit", tmp_path)


def test_the_official_prompt_of_uge_is_used_where_it_is_given(tmp_path):
    imgedit(tmp_path)
    prompts = {"UGE": "Judge <edit_prompt> from 1 to 5.", "add": toy_bench.prompt("add")}
    write_json(tmp_path / "prompts.json", prompts)
    suite = load("imgedit_uge", tmp_path)
    assert suite.protocol.official
    (question,) = suite.protocol.questions(suite.items[0])
    assert question.parts[0].text == "Judge Hard from 1 to 5."
    prompts["UGE"] = "Judge from 1 to 5."
    write_json(tmp_path / "prompts.json", prompts)
    with pytest.raises(SuiteError, match="'UGE' needs <edit_prompt>"):
        load("imgedit_uge", tmp_path)
    for reply in ("Score: 9", "A: 4\nB: 4\nC: 4", "Score: 4.5", "Score: 8/10"):
        assert suite.protocol.read["strict"](question, reply, 1).state is State.PARSE_FAILED
    assert suite.protocol.read["official"](question, "Score: 9", 1).scores == (9.0,)
    for view in ("official", "strict"):  # the prompt shows no line for the score, so any label counts
        assert suite.protocol.read[view](question, "Brief reasoning: so\nScore: 4", 1).scores == (4.0,)


def test_edits_in_turns_are_judged_by_all_turns_so_far(tmp_path):
    rows = {"1": {"id": "a.jpg", "turn1": "Add a dog", "turn2": "Make it brown"}, "2": {"id": "a.jpg"}}
    for name in ("content_memory", "version_backtracking"):
        write_json(tmp_path / f"{name}.json", rows)
    suite = load("imgedit_multiturn", tmp_path)
    told = {item.sample_id: item.instruction for item in suite.items}
    assert told["content_memory-1-turn2"] == "Add a dog Then: Make it brown"
    second = next(item for item in suite.items if item.sample_id == "content_memory-1-turn2")
    assert (second.after, second.turn) == ("content_memory-1-turn1", "Make it brown")
    assert next(item for item in suite.items if item.sample_id == second.after).after is None
    assert len({item.output for item in suite.items}) == len(suite.items) == 4
    files = ("content_memory", "version_backtracking")
    assert suite.problems == tuple(f"{name}.json, item 2: there is no turn1." for name in files)


def test_kris_bench_is_read_folder_by_folder(tmp_path):
    suite = load("kris", kris(tmp_path))
    by_id = {item.sample_id: item for item in suite.items}
    assert set(by_id) == {"biology/1", "color_change/1", "color_change/2", "temporal_prediction/1"}
    assert (by_id["biology/1"].kind, by_id["biology/1"].category) == ("natural science", "biology")
    assert by_id["biology/1"].facts == {"explain": "Because."}
    assert len(by_id["temporal_prediction/1"].sources) == 2
    assert by_id["color_change/1"].output == "color_change/1"
    assert not suite.protocol.official


def test_frames_of_kris_bench_are_numbered_by_their_names(tmp_path):
    rows = {
        "1": {"instruction": "x", "ori_img": ["1-1.png", "1-2.png", "1-4.png"]},
        "2": {"instruction": "x", "ori_img": ["2-1.jpg", "2-2.jpg", "2-3.jpg"]},
        "3": {"instruction": "x", "ori_img": ["3-1.jpg", "3-2.jpg"]},
        "4": {"instruction": "x", "ori_img": ["a.jpg"]},
    }
    write_json(tmp_path / "temporal_prediction" / "annotation.json", rows)
    facts = {one.sample_id[-1]: one.facts for one in load("kris", tmp_path).items}
    expected = {"1": {"frames": "1 2 4/3"}, "2": {"frames": "1 2 3/4"}, "3": {"frames": "1 2/3"}, "4": {}}
    assert facts == expected


def test_kris_folders_and_rows_that_do_not_belong_are_named(tmp_path):
    kris(tmp_path)
    write_json(tmp_path / "daily_life" / "annotation.json", {})
    write_json(tmp_path / "biology" / "annotation.json", [])
    good = {"instruction": "x", "ori_img": "1_a.png"}
    rows = {"1": {"instruction": "x", "ori_img": []}, "2": good, "3": {**good, "gt_img": "../x.png"}}
    write_json(tmp_path / "color_change" / "annotation.json", rows)
    suite = load("kris", tmp_path)
    assert [item.sample_id for item in suite.items] == ["color_change/2", "temporal_prediction/1"]
    told = " ".join(suite.problems)
    assert "no group of KRIS-Bench has a folder 'daily_life'" in told
    assert "must be an object of items by id" in told
    assert "color_change/annotation.json, item 1: ori_img must name pictures" in told
    assert "color_change/annotation.json, item 3: '../x.png' leads out of" in told


def test_official_prompts_without_the_ones_that_are_needed_stop_a_suite(tmp_path):
    kris(tmp_path)
    write_json(tmp_path / "prompts.json", {"prompt_consist": "x"})
    with pytest.raises(SuiteError, match="the prompts of KRIS-Bench have none that is called"):
        load("kris", tmp_path)
    prompts = (
        "consist",
        "instruction_following",
        "dual_evaluation",
        "quality",
        "abnormal_instruction_following",
    )
    write_json(tmp_path / "prompts.json", {f"prompt_{name}": "Judge {wrong}" for name in prompts})
    with pytest.raises(SuiteError, match=r"A prompt asks for \{wrong\}"):
        load("kris", tmp_path)


def test_risebench_needs_one_list(tmp_path):
    row = {"index": "a", "category": "causal_reasoning", "instruction": "x", "image": "a.png"}
    for name in ("data_total.json", "data_2.json"):
        write_json(tmp_path / name, [row, {"index": "b"}])
    with pytest.raises(SuiteError, match="must hold one list"):
        load("risebench", tmp_path)
    suite = load("risebench", tmp_path / "data_total.json", images=tmp_path)
    assert [item.sample_id for item in suite.items] == ["a"]
    assert suite.problems == ("data_total.json, item 1: category must be a text, found None.",)
    write_json(tmp_path / "data_2.json", {})
    with pytest.raises(SuiteError, match="must be a list of items"):
        load("risebench", tmp_path / "data_2.json", images=tmp_path)


def test_a_text_edit_finds_its_target_and_mask_beside_its_metadata(tmp_path):
    folder = tmp_path / "Signs" / "042"
    for name in ("in.jpg", "out.jpg", "out_mask.jpg"):
        write(folder / name, encode_png(picture(name)))
    row = {
        "id": "1", "topic": "Signs", "prompt": "x", "editing_method": "Text_Chnage", "input_image": "in.jpg",
        "output_image": "out.jpg", "konwledge_prompt": "It follows.",
    }  # fmt: skip
    write_json(folder / "meta.json", row)
    write_json(tmp_path / "Signs" / "043" / "meta.json", {**row, "input_image": "../../../x.jpg"})
    write_json(tmp_path / "Signs" / "044" / "meta.json", 5)
    suite = load("textedit", tmp_path)
    (item,) = suite.items
    assert (item.sample_id, item.kind, item.output) == ("Signs/042", "text_change", "Signs/042")
    np.testing.assert_array_equal(item.truth.pixels(), picture("out.jpg"))
    np.testing.assert_array_equal(item.mask.pixels(), picture("out_mask.jpg"))
    assert item.facts["knowledge_prompt"] == "It follows."
    assert len(suite.problems) == 2


def test_pictures_of_text_edits_lie_below_the_given_folder(tmp_path):
    write_json(tmp_path / "data" / "1" / "meta.json", {})
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(SuiteError, match="is not below"):
        load("textedit", tmp_path / "data", images=tmp_path / "elsewhere")


def test_a_suite_of_ones_own_keeps_what_is_known_of_each_item(tmp_path):
    for name in ("a.png", "b.png", "t.png", "m.png"):
        write(tmp_path / name, encode_png(picture(name)))
    row = {
        "id": "1", "task": "text", "instruction": "Write “OPEN”", "sources": ["a.png", "b.png"],
        "truth": "t.png", "mask": "m.png", "expected_text": "OPEN", "category": "c", "cluster": "k",
        "output": "deep/one",
    }  # fmt: skip
    plain = {"task": "text", "instruction": "x", "sources": ["a.png"]}
    other = [
        {**plain, "id": "2", "lang": "zh"},
        {**plain, "id": "3", "sources": []},
        {**plain, "id": "4", "output": "/abs"},
    ]
    lines = [json.dumps(one, ensure_ascii=False) for one in (row, *other)]
    (tmp_path / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
    suite = load("plain", tmp_path)
    (item,) = suite.items
    assert (item.category, item.cluster, item.output, item.expected_text) == ("c", "k", "deep/one", "OPEN")
    assert len(item.sources) == 2
    assert item.mask is not None
    assert len(suite.problems) == 2
    (question,) = suite.protocol.questions(item)
    assert "Text that must be readable: OPEN" in question.parts[0].text
    assert [one.sample_id for one in load("plain", tmp_path, "zh").items] == ["1", "2"]  # the first is in any


def test_a_written_suite_is_read_back_as_it_was(tmp_path):
    known = replace(
        items(1)[0],
        sample_id="known",
        instruction="Write “a\u2028b\x85c”",  # which break lines of text, and no line of JSON
        cluster="scene",
        mask=picture_of_pixels("mask", picture("mask")),
        expected_text="a\u2028b\x85c",
        output="deep/one",
    )
    written = [*items(1), known]
    write_plain(tmp_path, written)
    suite = load("plain", tmp_path)
    again = {item.sample_id: item for item in suite.items}
    assert (set(again), suite.problems) == ({item.sample_id for item in written}, ())
    for item in written:
        found = again[item.sample_id]
        np.testing.assert_array_equal(found.truth.pixels(), item.truth.pixels())
        for name in ("kind", "category", "instruction", "lang", "cluster", "expected_text"):
            assert getattr(found, name) == getattr(item, name)
        assert (found.mask is None, found.output) == (item.mask is None, item.output or item.sample_id)
    np.testing.assert_array_equal(again["known"].mask.pixels(), picture("mask"))


def test_pictures_of_a_list_are_found_with_another_extension(tmp_path):
    write(tmp_path / "a" / "1.jpg", encode_png(picture("1")))
    np.testing.assert_array_equal(picture_below(tmp_path, "a/1.png").pixels(), picture("1"))
    np.testing.assert_array_equal(picture_below(tmp_path, "a\\1.png").pixels(), picture("1"))


@pytest.mark.parametrize(
    "name", ["../x.png", "/etc/passwd", "a/../../x.png", "..\\x.png", "", "a\0b.png", "."]
)
def test_a_list_names_no_picture_outside_its_folder(tmp_path, name):
    with pytest.raises(SuiteError, match="leads out of"):
        picture_below(tmp_path, name)


def test_links_out_of_the_folder_are_missing_pictures_and_links_of_the_hubs_cache_are_not(tmp_path):
    secret = write(tmp_path / "secret.png", encode_png(picture("secret")))
    inside = tmp_path / "bench"
    write(inside / "real" / "1.png", encode_png(picture("1")))
    (inside / "link.png").symlink_to(secret)
    (inside / "folder").symlink_to(tmp_path)
    (inside / "alias.png").symlink_to(inside / "real" / "1.png")
    for name in ("link.png", "folder/secret.png"):
        with pytest.raises(MissingPictureError, match="leads out"):
            picture_below(inside, name).read()
    assert picture_below(inside, "alias.png").pixels().shape == (32, 32, 3)
    write(tmp_path / "hub" / "blobs" / "ab12", encode_png(picture("blob")))
    snapshot = tmp_path / "hub" / "snapshots" / "rev"
    snapshot.mkdir(parents=True)
    (snapshot / "1.png").symlink_to("../../blobs/ab12")
    assert picture_below(snapshot, "1.png").pixels().shape == (32, 32, 3)


def test_a_list_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(suite_module, "MAX_JSON_BYTES", 10)
    with pytest.raises(SuiteError, match="no benchmark's list has"):
        read_json(write(tmp_path / "x.json", b"[1, 2, 3, 4, 5]"))


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../b", "x\0y"])
def test_no_item_has_a_name_outside_the_folder_of_a_model(name):
    with pytest.raises(SuiteError, match="not a path below the folder"):
        BenchItem("1", "k", "c", "x", (), output=name)


def test_every_suite_of_the_command_line_has_a_loader_that_explains_an_empty_folder(tmp_path):
    for name in SUITES:
        with pytest.raises(SuiteError):
            load(name, tmp_path)


def test_every_suite_has_its_row_in_the_guide():
    guide = (Path(__file__).parents[3] / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in SUITES if f"`{name}`" not in guide] == []
