"""Which file is the output of which item, in whatever tree, under whatever extension, among whatever else."""

import os

import pytest
from toy_bench import item, outputs, write

from benchmarks.suites.outputs import find_outputs
from models.common.pixels import encode_png

ITEMS = [item(str(number), kind="add", output=f"add/add-{number}") for number in range(3)]
PNG = encode_png(ITEMS[0].sources[0].pixels())


def found(folder, items=ITEMS):
    result = find_outputs(folder, items)
    paths = {sample_id: path.relative_to(folder).as_posix() for sample_id, path in result.paths.items()}
    return paths, dict(result.problems), list(result.unused)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".PNG", ".Jpeg"])
def test_outputs_are_found_nested_or_flat_with_any_extension(tmp_path, flat, suffix):
    paths, problems, unused = found(outputs(tmp_path, ITEMS, flat=flat, suffix=suffix))
    prefix = "" if flat else "add/"
    assert paths == {str(number): f"{prefix}add-{number}{suffix}" for number in range(3)}
    assert problems == {}
    assert unused == []


def test_outputs_are_found_below_further_folders(tmp_path):
    paths, _, _ = found(tmp_path, [])
    assert paths == {}
    outputs(tmp_path / "model-a" / "fullset", ITEMS)
    paths, _, _ = found(tmp_path)
    assert paths["1"] == "model-a/fullset/add/add-1.png"


def test_what_is_missing_and_what_belongs_to_nobody_is_told(tmp_path):
    outputs(tmp_path, ITEMS[:2])
    for name in ("add/add-7.png", "notes.txt", ".hidden/add-2.png", "add/.add-2.png", "add/add-2_SRCIMG.png"):
        write(tmp_path / name, PNG)
    paths, problems, unused = found(tmp_path)
    assert set(paths) == {"0", "1"}
    assert problems == {"2": "there is no output add/add-2.png, nor with another extension or flat"}
    assert unused == ["add/add-7.png"]


def test_a_name_that_is_no_utf8_can_be_told(tmp_path):
    outputs(tmp_path, ITEMS[1:])
    for name in (b"\xb1\xed.png", b"\xb1/add/add-0.jpg", b"\xb2/add/add-0.webp"):
        write(tmp_path / os.fsdecode(name), PNG)
    _, problems, unused = found(tmp_path)
    for text in (*problems.values(), *unused):
        text.encode()  # a report holds it
    assert "??.png" in unused
    assert "several files could be the output: ?/add/add-0.jpg" in problems["0"]


def test_of_several_files_the_official_extension_counts_and_the_choice_is_told(tmp_path):
    outputs(tmp_path, ITEMS)
    outputs(tmp_path, ITEMS[:1], suffix=".jpg")
    paths, problems, unused = found(tmp_path)
    assert paths["0"] == "add/add-0.png"
    assert problems == {"0": "took add/add-0.png of add/add-0.jpg, add/add-0.png"}
    assert unused == ["add/add-0.jpg"]


def test_two_files_of_equal_right_are_no_output(tmp_path):
    outputs(tmp_path, ITEMS[1:])
    outputs(tmp_path, ITEMS[:1], suffix=".jpg")
    outputs(tmp_path, ITEMS[:1], suffix=".webp")
    paths, problems, _ = found(tmp_path)
    assert "0" not in paths
    assert problems["0"].startswith("several files could be the output: add/add-0.jpg, add/add-0.webp")


def test_a_short_name_that_two_items_share_is_nobodys(tmp_path):
    twins = [item("a", output="add/1"), item("b", output="text/1")]
    write(tmp_path / "1.png", PNG)
    paths, problems, unused = found(tmp_path, twins)
    assert (paths, unused) == ({}, ["1.png"])
    assert set(problems) == {"a", "b"}
    write(tmp_path / "text" / "1.png", PNG)
    assert found(tmp_path, twins)[0] == {"b": "text/1.png"}


def test_the_source_that_gedits_script_writes_beside_an_output_is_not_it(tmp_path):
    gedit = [item("k", output="fullset/text_change/en/k")]
    write(tmp_path / "fullset" / "text_change" / "en" / "k_SRCIMG.png", PNG)
    assert found(tmp_path, gedit)[0] == {}
    write(tmp_path / "fullset" / "text_change" / "en" / "k.png", PNG)
    assert found(tmp_path, gedit)[0] == {"k": "fullset/text_change/en/k.png"}


def test_links_out_of_the_folder_are_no_outputs_and_links_inside_are(tmp_path):
    secret = write(tmp_path / "secret" / "add-0.png", PNG)
    folder = tmp_path / "outputs"
    outputs(folder, ITEMS[1:])
    (folder / "add" / "add-0.png").symlink_to(secret)
    (folder / "more").symlink_to(tmp_path / "secret")
    paths, problems, _ = found(folder)
    assert set(paths) == {"1", "2"}
    assert problems["0"] == "add/add-0.png is a link that leads out of the folder; copy the file"
    (folder / "add" / "add-0.png").unlink()
    (folder / "add" / "add-0.png").symlink_to(folder / "add" / "add-1.png")
    assert set(found(folder)[0]) == {"0", "1", "2"}
    assert set(found(_linked(tmp_path, folder))[0]) == {"0", "1", "2"}  # the folder itself may be a link


def _linked(tmp_path, folder):
    (tmp_path / "alias").symlink_to(folder)
    return tmp_path / "alias"


def test_a_folder_that_is_called_like_a_picture_is_none(tmp_path):
    (tmp_path / "add" / "add-0.png").mkdir(parents=True)
    paths, problems, unused = found(tmp_path)
    assert (paths, unused) == ({}, [])
    assert len(problems) == 3
