from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from toy_suite import BlendEditor, items, picture

from benchmarks.editors.pipeline import PipelineEditor
from benchmarks.editors.run import EditFailedError, read_output, run_editor
from benchmarks.suites.item import (
    BenchItem,
    MissingPictureError,
    SuiteError,
    checked_suite,
    picture_of_pixels,
)
from models.common.seeding import torch_generator


def run(folder, editor, suite=None, batch=3):
    return run_editor(
        suite or checked_suite(items()), editor, folder=folder, batch=batch, progress=lambda *_: None
    )


def test_outputs_are_what_the_editor_gave_pixel_for_pixel(tmp_path):
    suite = checked_suite(items())
    paths = run(tmp_path / "half", BlendEditor(0.5), suite).paths
    for item, output in zip(suite, BlendEditor(0.5).edit(suite), strict=True):
        np.testing.assert_array_equal(read_output(paths[item.sample_id]), output)


def test_nothing_is_made_twice(tmp_path):
    run(tmp_path / "half", BlendEditor(0.5))
    again = BlendEditor(0.5)
    run(tmp_path / "half", again)
    assert again.batches == []


def test_a_killed_run_continues_with_the_batches_of_an_undisturbed_one(tmp_path):
    class Killed(BlendEditor):
        def edit(self, items):
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().edit(items)

    whole = BlendEditor(0.5)
    run(tmp_path / "whole", whole, batch=5)
    killed, rest = Killed(0.5), BlendEditor(0.5)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "half", killed, batch=5)
    run(tmp_path / "half", rest, batch=5)
    assert killed.batches + rest.batches == whole.batches


def test_a_batch_that_was_cut_short_is_made_again_whole(tmp_path):
    paths = run(tmp_path / "half", BlendEditor(0.5), batch=5).paths
    paths["invert-1"].unlink()
    rest = BlendEditor(0.5)
    run(tmp_path / "half", rest, batch=5)
    assert len(rest.batches) == 1
    assert "invert-1" in rest.batches[0]
    assert len(rest.batches[0]) == 5


@pytest.mark.parametrize(("share", "batch"), [(0.4, 3), (0.5, 4)])
def test_other_settings_make_everything_again(tmp_path, share, batch):
    run(tmp_path / "half", BlendEditor(0.5))
    other = BlendEditor(share)
    run(tmp_path / "half", other, batch=batch)
    assert sum(map(len, other.batches)) == len(items())


def test_what_was_made_for_other_words_or_another_source_is_made_again(tmp_path):
    suite = checked_suite(items())
    run(tmp_path / "half", BlendEditor(0.5), suite)
    changed = [
        replace(suite[0], instruction="调暗。"),
        replace(suite[1], sources=(picture_of_pixels("s", picture("another")),)),
        *suite[2:],
    ]
    again = BlendEditor(0.5)
    found = run(tmp_path / "half", again, changed, batch=1)  # batch is a setting: all are made again
    assert sum(map(len, again.batches)) == len(suite)
    third = BlendEditor(0.5)
    run(tmp_path / "half", third, suite, batch=1)
    assert third.batches == [[suite[0].sample_id], [suite[1].sample_id]]
    assert not found.problems


def test_an_output_of_other_words_that_fails_now_is_no_output(tmp_path):
    class Failing(BlendEditor):
        def edit(self, items):
            raise EditFailedError("none today")

    suite = checked_suite(items())
    run(tmp_path / "half", BlendEditor(0.5), suite)
    changed = [replace(suite[0], instruction="调暗。"), *suite[1:]]
    found = run(tmp_path / "half", Failing(0.5), changed)
    assert "none today" in found.problems[suite[0].sample_id]
    assert suite[0].sample_id not in found.paths


def test_a_batch_holds_equal_shapes_only(tmp_path):
    wide = [replace(item, sample_id=f"wide-{item.sample_id}") for item in items(2, 16, 48)]
    two = [replace(item, sample_id=f"two-{item.sample_id}", sources=item.sources * 2) for item in items(2)]
    editor = BlendEditor(1.0)
    suite = checked_suite([*items(2), *wide, *two])
    run(tmp_path / "mixed", editor, suite, batch=4)
    prefixes = [
        {name.split("-")[0] if name[:4] in ("wide", "two-") else "" for name in b} for b in editor.batches
    ]
    assert all(len(found) == 1 for found in prefixes)
    assert sum(map(len, editor.batches)) == 18


def test_what_an_editor_cannot_make_is_a_problem_of_that_sample_and_tried_again(tmp_path):
    class Picky(BlendEditor):
        def edit(self, items):
            if any(item.sample_id == "invert-1" for item in items):
                raise EditFailedError("not this one")
            return super().edit(items)

    found = run(tmp_path / "half", Picky(0.5), batch=5)
    assert found.problems == {"invert-1": "the editor failed: not this one"}
    assert len(found.paths) == len(items()) - 1
    assert not run(tmp_path / "half", BlendEditor(0.5), batch=5).problems


def test_shards_make_the_outputs_of_one_run_between_them(tmp_path):
    whole = run(tmp_path / "whole", BlendEditor(0.5), batch=2)
    for number in (0, 1, 2):
        last = run_editor(
            checked_suite(items()),
            BlendEditor(0.5),
            folder=tmp_path / "shards",
            batch=2,
            progress=lambda *_: None,
            shard=(number, 3),
        )
        assert bool(last.problems) == (number < 2)
    for sample_id, path in last.paths.items():
        assert path.read_bytes() == whole.paths[sample_id].read_bytes()


def test_outputs_lie_where_the_official_script_writes_them(tmp_path):
    suite = [replace(item, output=f"{item.kind}/{item.sample_id}") for item in checked_suite(items())]
    found = run(tmp_path / "half", BlendEditor(0.5), suite)
    assert found.paths["invert-1"] == tmp_path / "half" / "invert" / "invert-1.png"


def test_progress_reaches_the_total(tmp_path):
    calls = []
    run_editor(
        checked_suite(items()),
        BlendEditor(1.0),
        folder=tmp_path / "e",
        batch=5,
        progress=lambda *call: calls.append(call),
    )
    assert calls[0] == ("edit with e", 0, 12)
    assert calls[-1] == ("edit with e", 12, 12)


@pytest.mark.parametrize(
    "error", [RuntimeError("bad shape"), torch.OutOfMemoryError("no memory"), MemoryError()]
)
def test_a_sample_for_which_there_is_no_memory_stops_no_other(tmp_path, monkeypatch, error):
    def pipeline(*, image, prompt, height, width, **_):
        if "invert-1" in prompt:
            raise error
        count = 1 if isinstance(prompt, str) else len(prompt)
        return SimpleNamespace(images=[Image.new("RGB", (width, height))] * count)

    monkeypatch.setattr(PipelineEditor, "_pipeline", property(lambda self: pipeline))
    suite = [replace(item, instruction=item.sample_id) for item in checked_suite(items())]
    editor = PipelineEditor(tmp_path, identity="toy", seed=9, steps=2, size="source")
    found = run(tmp_path / "out", editor, suite, batch=5)
    assert found.problems == {"invert-1": f"the editor failed: {str(error) or 'MemoryError'}"}
    assert len(found.paths) == len(suite) - 1


def test_a_pipeline_gets_noise_that_depends_on_the_sample_alone(tmp_path, monkeypatch):
    drawn = {}

    def pipeline(*, image, prompt, generator, height, width, **_):
        prompts = [prompt] if isinstance(prompt, str) else prompt
        generators = [generator] if isinstance(prompt, str) else generator
        for prompt, one in zip(prompts, generators, strict=True):
            drawn.setdefault(prompt, []).append(torch.randn(4, generator=one))
        return SimpleNamespace(images=[Image.new("RGB", (width, height)) for _ in prompts])

    monkeypatch.setattr(PipelineEditor, "_pipeline", property(lambda self: pipeline))
    suite = [replace(item, instruction=item.sample_id) for item in checked_suite(items())]
    for batch in (1, 2, 5):
        editor = PipelineEditor(tmp_path, identity="toy", seed=9, steps=2, size="source")
        run(tmp_path / f"batch{batch}", editor, suite, batch=batch)
    for sample_id, draws in drawn.items():
        expected = torch.randn(4, generator=torch_generator(9, "noise", sample_id))
        assert all(torch.equal(draw, expected) for draw in draws)


class Painter:
    """Paints a column more at each edit, and notes what it was told and shown."""

    def __init__(self, fails: str = "") -> None:
        self.settings = {"paints": "columns"}
        self.told: list[tuple[str, int]] = []
        self.fails = fails

    def edit(self, items):
        (item,) = items
        pixels = item.sources[0].pixels().copy() if self.shown(item) else None
        if pixels is None or item.instruction == self.fails:
            raise EditFailedError("cannot")
        painted = int((pixels[0, :, 0] == 255).sum())
        self.told.append((item.instruction, painted))
        pixels[:, painted] = 255
        return [pixels]

    @staticmethod
    def shown(item):
        try:
            return bool(item.sources[0].read())
        except MissingPictureError as error:
            raise EditFailedError(str(error)) from error


def turns(name="a", words=("one", "two", "three")):
    source = picture_of_pixels("source", np.zeros((8, 8, 3), np.uint8))
    return [
        BenchItem(f"{name}-{number}", "turns", f"turn {number}", " Then: ".join(words[:number]), (source,),
                  after=f"{name}-{number - 1}" if number > 1 else None, turn=words[number - 1])
        for number in range(1, len(words) + 1)
    ]  # fmt: skip


def test_a_later_turn_goes_on_from_the_output_before_it_with_its_own_words(tmp_path):
    suite = checked_suite([*turns("b"), *turns("a")])
    editor = Painter()
    made = run(tmp_path / "e", editor, suite, batch=1)
    assert sorted(editor.told) == sorted([("one", 0), ("two", 1), ("three", 2)] * 2)
    assert (made.problems, len(made.paths)) == ({}, 6)
    assert (read_output(made.paths["a-3"])[0, :, 0] == 255).sum() == 3
    again = Painter()
    run(tmp_path / "e", again, suite, batch=1)
    assert again.told == []
    changed = checked_suite([*turns("b"), *turns("a", ("uno", "two", "three"))])
    run(tmp_path / "e", again, [replace(i, instruction=i.turn) for i in changed], batch=1)
    assert again.told == [("uno", 0)]  # its output is the same, and so is all that comes after it


def test_a_turn_that_fails_leaves_those_after_it_without_a_source(tmp_path):
    run(tmp_path / "e", Painter(), turns(), batch=1)
    other = turns(words=("one", "due", "three"))
    made = run(tmp_path / "e", Painter(fails="due"), other, batch=1)
    assert set(made.paths) == {"a-1"}
    assert made.problems["a-2"] == "the editor failed: cannot"
    assert made.problems["a-3"] == "the editor failed: a-2, the turn before, has no output"
    stranger = [replace(turns()[0], after="nobody")]
    with pytest.raises(SuiteError, match="comes after 'nobody', which is not in the suite"):
        run(tmp_path / "f", Painter(), stranger, batch=1)


def test_turns_of_one_picture_are_made_by_one_shard(tmp_path):
    suite = checked_suite([*turns("a"), *turns("b")])
    told = []
    for number in (0, 1):
        editor = Painter()
        made = run_editor(
            suite, editor, folder=tmp_path / "e", batch=1, progress=lambda *_: None, shard=(number, 2)
        )
        told.append(editor.told)
    assert told == [[("one", 0), ("two", 1), ("three", 2)]] * 2
    assert (made.problems, len(made.paths)) == ({}, 6)
