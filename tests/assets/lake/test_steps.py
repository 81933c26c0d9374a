import pytest

from assets.lake import steps
from assets.lake.lake import Lake


def step(version: str = "1", **config: object) -> steps.Step:
    return steps.Step("numbers", version, {}, config)


def counted(lake: Lake, calls: list[int]):
    def build() -> steps.StepOutput:
        calls.append(1)
        lake.write_json("numbers.json", list(range(len(calls))))
        return steps.StepOutput(("numbers.json",), rows=len(calls))

    return build


def test_a_finished_step_is_not_built_again(lake: Lake):
    calls: list[int] = []
    first = steps.run_step(lake, step(a=1), counted(lake, calls))
    second = steps.run_step(lake, step(a=1), counted(lake, calls))
    assert (len(calls), first.reused, second.reused) == (1, False, True)
    assert first.content == second.content


@pytest.mark.parametrize("changed", [step(a=2), step(version="2", a=1)])
def test_a_step_is_built_again_when_its_configuration_or_version_changes(lake: Lake, changed: steps.Step):
    calls: list[int] = []
    steps.run_step(lake, step(a=1), counted(lake, calls))
    assert not steps.run_step(lake, changed, counted(lake, calls)).reused


def test_a_step_is_built_again_when_a_file_of_it_is_gone(lake: Lake):
    calls: list[int] = []
    steps.run_step(lake, step(), counted(lake, calls))
    lake.delete("numbers.json")
    assert not steps.run_step(lake, step(), counted(lake, calls)).reused


def test_a_step_that_fails_leaves_no_manifest_even_where_one_was(lake: Lake):
    calls: list[int] = []
    steps.run_step(lake, step(a=1), counted(lake, calls))

    def fail() -> steps.StepOutput:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        steps.run_step(lake, step(a=2), fail)
    # the old configuration again: the tables may be half new, so they must be made again
    assert not steps.run_step(lake, step(a=1), counted(lake, calls)).reused


def test_downstream_depends_on_the_bytes_of_its_input_not_on_when_they_were_made(lake: Lake):
    def build() -> steps.StepOutput:
        lake.write_json("numbers.json", [1])
        return steps.StepOutput(("numbers.json",), rows=1)

    below = steps.Step("sum", "1", {"numbers": ()}, {})
    steps.run_step(lake, step(a=1), build)
    steps.run_step(lake, below, lambda: steps.StepOutput((), rows=0))
    steps.run_step(lake, step(a=2), build)  # another configuration, the same bytes
    assert steps.run_step(lake, below, lambda: steps.StepOutput((), rows=0)).reused


def test_a_step_without_its_inputs_names_them(lake: Lake):
    with pytest.raises(steps.MissingInputError, match="deduped reads raw_images"):
        steps.run_step(
            lake, steps.Step("deduped", "1", {"raw_images": ()}, {}), lambda: steps.StepOutput((), 0)
        )


def limited_step(limit: float) -> steps.Step:
    return steps.Step("numbers", "1", {}, {}, limits={"probe.seconds": limit})


@pytest.mark.parametrize(("limit", "due"), [(5, False), (10, False), (11, True)])
def test_a_step_that_a_limit_stopped_is_due_when_the_limit_rises(lake: Lake, limit: float, due: bool):
    stopped = steps.StepOutput((), rows=0, stopped_by={"probe.seconds": 10})
    steps.run_step(lake, limited_step(10), lambda: stopped)
    assert (steps.finished(lake, limited_step(limit)) is None) == due


def test_a_limit_that_stopped_nothing_makes_no_step_due(lake: Lake):
    steps.run_step(lake, limited_step(10), lambda: steps.StepOutput((), rows=0))
    assert steps.finished(lake, limited_step(1000)) is not None


def two_files(lake: Lake, numbers: str, words: str):
    def build() -> steps.StepOutput:
        lake.write_json("measures/numbers@1/a.json", numbers)
        lake.write_json("measures/words@1/a.json", words)
        return steps.StepOutput(("measures/numbers@1/a.json", "measures/words@1/a.json"), rows=2)

    return build


def test_a_step_depends_on_the_files_that_it_reads_alone(lake: Lake):
    above = steps.Step("measured", "1", {}, {"run": 1})
    steps.run_step(lake, above, two_files(lake, "one", "a"))
    below = steps.Step("sum", "1", {"measured": ("measures/numbers@*",)}, {})
    steps.run_step(lake, below, lambda: steps.StepOutput((), rows=0))
    steps.run_step(lake, steps.Step("measured", "1", {}, {"run": 2}), two_files(lake, "one", "b"))
    assert steps.finished(lake, below) is not None
    steps.run_step(lake, steps.Step("measured", "1", {}, {"run": 3}), two_files(lake, "two", "b"))
    assert steps.finished(lake, below) is None


def test_a_step_hands_on_files_with_the_digests_of_its_input(lake: Lake, monkeypatch):
    steps.run_step(lake, steps.Step("measured", "1", {}, {}), two_files(lake, "one", "a"))
    files = steps.handed_on(lake, "measured", "measures/words@*")
    assert files == ["measures/words@1/a.json"]
    read: list[str] = []
    original = Lake.read_bytes
    monkeypatch.setattr(Lake, "read_bytes", lambda own, path: read.append(path) or original(own, path))
    manifest = steps.run_step(
        lake, steps.Step("sum", "1", {"measured": ()}, {}), lambda: steps.StepOutput(tuple(files), rows=0)
    )
    assert manifest.files == {files[0]: steps.require_manifest(lake, "measured").files[files[0]]}
    assert files[0] not in read


def test_a_check_that_refuses_leaves_the_old_manifest(lake: Lake):
    calls: list[int] = []
    steps.run_step(lake, step(a=1), counted(lake, calls))

    def refuse() -> None:
        raise PermissionError("refused")

    with pytest.raises(PermissionError):
        steps.run_step(lake, step(a=2), counted(lake, calls), before=refuse)
    assert steps.run_step(lake, step(a=1), counted(lake, calls)).reused
    assert len(calls) == 1


def test_a_manifest_records_the_platform(lake: Lake):
    manifest = steps.run_step(lake, step(), counted(lake, []))
    assert manifest.platform.keys() >= {"cpu", "python", "numpy", "torch", "polars"}
