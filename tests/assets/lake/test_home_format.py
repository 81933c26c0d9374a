import pytest

from assets.lake.home_format import (
    FORMAT,
    FORMAT_FILE,
    HomeError,
    HomeFormatError,
    UnreadableHomeError,
    check_format,
    mark_format,
)
from assets.lake.lake import Lake
from assets.lake.run_step import run_step
from assets.lake.steps import Step, StepOutput


def test_a_new_home_gets_the_format_with_its_first_step(lake: Lake):
    check_format(lake)
    assert not lake.exists(FORMAT_FILE)
    run_step(lake, Step("numbers", "1", {}, {}), lambda: StepOutput((), rows=0))
    assert lake.read_json(FORMAT_FILE) == {"format": FORMAT}
    check_format(lake)


def test_a_home_without_a_number_is_refused_in_one_line_and_left_as_it_was(lake: Lake):
    lake.write_json("manifests/raw_images/demo-0000.json", {"name": "raw_images/demo-0000"})
    with pytest.raises(HomeFormatError) as raised:
        mark_format(lake)
    assert raised.value.stored == 1
    assert FORMAT_FILE in str(raised.value)
    assert "\n" not in str(raised.value)
    assert lake.list("") == ["manifests/raw_images/demo-0000.json"]


@pytest.mark.parametrize(
    "content", [b'{"format": 6}', b'{"format": 2}', b'{"format": "3"}', b"{}", b"not json", b"[]"]
)
def test_another_or_an_unreadable_number_is_refused(lake: Lake, content: bytes):
    lake.write_bytes(FORMAT_FILE, content)
    with pytest.raises(HomeError) as raised:
        check_format(lake)
    assert "\n" not in str(raised.value)
    assert lake.read_bytes(FORMAT_FILE) == content


def test_a_file_in_the_place_of_a_home_or_of_its_number_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "home" / FORMAT_FILE).mkdir(parents=True)
    for name in ("file", "home"):
        with pytest.raises(UnreadableHomeError):
            check_format(Lake(str(tmp_path / name)))
