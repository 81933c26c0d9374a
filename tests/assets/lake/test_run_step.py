import pytest

from assets.lake import steps
from assets.lake.lake import Lake
from assets.lake.run_step import (
    DamagedFileError,
    StepHooks,
    check_inputs,
    damaged_files,
    file_sha256,
    run_step,
    why_due,
)


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
    first = run_step(lake, step(a=1), counted(lake, calls))
    second = run_step(lake, step(a=1), counted(lake, calls))
    assert (len(calls), first.reused, second.reused) == (1, False, True)
    assert first.content == second.content


@pytest.mark.parametrize("changed", [step(a=2), step(version="2", a=1)])
def test_a_step_is_built_again_when_its_configuration_or_version_changes(lake: Lake, changed: steps.Step):
    calls: list[int] = []
    run_step(lake, step(a=1), counted(lake, calls))
    assert not run_step(lake, changed, counted(lake, calls)).reused


def test_a_step_is_built_again_when_a_file_of_it_is_gone(lake: Lake):
    calls: list[int] = []
    run_step(lake, step(), counted(lake, calls))
    lake.delete("numbers.json")
    assert not run_step(lake, step(), counted(lake, calls)).reused


def test_a_step_that_fails_leaves_no_manifest_even_where_one_was(lake: Lake):
    calls: list[int] = []
    run_step(lake, step(a=1), counted(lake, calls))

    def fail() -> steps.StepOutput:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run_step(lake, step(a=2), fail)
    # the old configuration again: the tables may be half new, so they must be made again
    assert not run_step(lake, step(a=1), counted(lake, calls)).reused


def test_downstream_depends_on_the_bytes_of_its_input_not_on_when_they_were_made(lake: Lake):
    def build() -> steps.StepOutput:
        lake.write_json("numbers.json", [1])
        return steps.StepOutput(("numbers.json",), rows=1)

    below = steps.Step("sum", "1", {"numbers": ()}, {})
    run_step(lake, step(a=1), build)
    run_step(lake, below, lambda: steps.StepOutput((), rows=0))
    run_step(lake, step(a=2), build)  # another configuration, the same bytes
    assert run_step(lake, below, lambda: steps.StepOutput((), rows=0)).reused


def test_a_step_without_its_inputs_names_them(lake: Lake):
    with pytest.raises(steps.MissingInputError, match="deduped reads raw_images"):
        run_step(lake, steps.Step("deduped", "1", {"raw_images": ()}, {}), lambda: steps.StepOutput((), 0))


def limited_step(limit: float) -> steps.Step:
    return steps.Step("numbers", "1", {}, {}, limits={"probe.seconds": limit})


@pytest.mark.parametrize(("limit", "due"), [(5, False), (10, False), (11, True)])
def test_a_step_that_a_limit_stopped_is_due_when_the_limit_rises(lake: Lake, limit: float, due: bool):
    stopped = steps.StepOutput((), rows=0, stopped_by={"probe.seconds": 10})
    run_step(lake, limited_step(10), lambda: stopped)
    assert bool(why_due(lake, limited_step(limit))) == due


def test_a_limit_that_stopped_nothing_makes_no_step_due(lake: Lake):
    run_step(lake, limited_step(10), lambda: steps.StepOutput((), rows=0))
    assert why_due(lake, limited_step(1000)) == []


def two_files(lake: Lake, numbers: str, words: str):
    def build() -> steps.StepOutput:
        lake.write_json("measures/numbers@1/a.json", numbers)
        lake.write_json("measures/words@1/a.json", words)
        return steps.StepOutput(("measures/numbers@1/a.json", "measures/words@1/a.json"), rows=2)

    return build


def test_a_step_depends_on_the_files_that_it_reads_alone(lake: Lake):
    above = steps.Step("measured", "1", {}, {"run": 1})
    run_step(lake, above, two_files(lake, "one", "a"))
    below = steps.Step("sum", "1", {"measured": ("measures/numbers@*",)}, {})
    run_step(lake, below, lambda: steps.StepOutput((), rows=0))
    run_step(lake, steps.Step("measured", "1", {}, {"run": 2}), two_files(lake, "one", "b"))
    assert why_due(lake, below) == []
    run_step(lake, steps.Step("measured", "1", {}, {"run": 3}), two_files(lake, "two", "b"))
    assert [reason.kind for reason in why_due(lake, below)] == ["input"]


def test_a_step_hands_on_files_with_the_digests_of_its_input(lake: Lake, monkeypatch):
    run_step(lake, steps.Step("measured", "1", {}, {}), two_files(lake, "one", "a"))
    files = steps.handed_on(lake, "measured", "measures/words@*")
    assert files == ["measures/words@1/a.json"]
    opened: list[str] = []
    monkeypatch.setattr(
        "assets.lake.run_step.file_sha256", lambda lake, path: opened.append(path) or file_sha256(lake, path)
    )
    manifest = run_step(
        lake, steps.Step("sum", "1", {"measured": ()}, {}), lambda: steps.StepOutput(tuple(files), rows=0)
    )
    assert manifest.files == {files[0]: steps.require_manifest(lake, "measured").files[files[0]]}
    assert opened == []


def test_a_check_that_refuses_leaves_the_old_manifest(lake: Lake):
    calls: list[int] = []
    run_step(lake, step(a=1), counted(lake, calls))

    def refuse() -> None:
        raise PermissionError("refused")

    with pytest.raises(PermissionError):
        run_step(lake, step(a=2), counted(lake, calls), StepHooks(before=refuse))
    assert run_step(lake, step(a=1), counted(lake, calls)).reused
    assert len(calls) == 1


def test_a_manifest_records_the_platform(lake: Lake):
    manifest = run_step(lake, step(), counted(lake, []))
    assert manifest.platform.keys() >= {"cpu", "python", "numpy", "torch", "polars"}


@pytest.mark.parametrize(
    ("changed", "kind", "name"),
    [
        (step(a=2, b={"c": 1}), "setting", "a"),
        (step(a=1, b={"c": 2}), "setting", "b.c"),
        (step(a=1), "setting", "b.c"),
        (step("2", a=1, b={"c": 1}), "version", "numbers"),
    ],
)
def test_a_due_step_names_the_field_or_the_version(lake: Lake, changed: steps.Step, kind: str, name: str):
    run_step(lake, step(a=1, b={"c": 1}), counted(lake, []))
    assert [(reason.kind, reason.name) for reason in why_due(lake, changed)] == [(kind, name)]


def test_another_order_of_rules_is_a_reason(lake: Lake):
    run_step(lake, step(rules=[["blur", 1], ["codes", 2]]), counted(lake, []))
    reasons = why_due(lake, step(rules=[["codes", 2], ["blur", 1]]))
    assert [reason.kind for reason in reasons] == ["setting"]


@pytest.mark.parametrize("damage", [b"", b"[0", b"[0]\n\n\n"])
def test_a_file_of_another_size_makes_its_step_due_and_is_set_aside(lake: Lake, damage: bytes):
    calls: list[int] = []
    run_step(lake, step(), counted(lake, calls))
    intact = lake.read_bytes("numbers.json")
    lake.write_bytes("numbers.json", damage)
    assert [(one.kind, one.name) for one in why_due(lake, step())] == [("file", "numbers.json")]
    run_step(lake, step(), counted(lake, []))
    assert lake.read_bytes("numbers.json") == intact
    assert lake.read_bytes("set_aside/numbers.json/0") == damage


def test_a_flipped_byte_is_found_by_digest_and_stops_a_step_that_reads_it(lake: Lake):
    manifest = run_step(lake, step(), counted(lake, []))
    data = bytearray(lake.read_bytes("numbers.json"))
    data[0] ^= 1
    lake.write_bytes("numbers.json", bytes(data))
    assert damaged_files(lake, manifest) == {}
    assert list(damaged_files(lake, manifest, digests=True)) == ["numbers.json"]
    with pytest.raises(DamagedFileError) as raised:
        check_inputs(lake, steps.Step("sum", "1", {"numbers": ()}, {}))
    assert raised.value.path == "numbers.json"


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_damaged_manifest_counts_as_none(lake: Lake, keep: float):
    first = run_step(lake, step(), counted(lake, []))
    path = steps.manifest_path("numbers")
    data = lake.read_bytes(path)
    lake.write_bytes(path, data[: int(len(data) * keep)])
    assert steps.read_manifest(lake, "numbers") is None
    assert [reason.kind for reason in why_due(lake, step())] == ["new"]
    again = run_step(lake, step(), counted(lake, []))
    assert (again.files, again.reused) == (first.files, False)


def test_an_edited_manifest_counts_as_none(lake: Lake):
    run_step(lake, step(), counted(lake, []))
    record = lake.read_json(steps.manifest_path("numbers"))
    lake.write_json(steps.manifest_path("numbers"), record | {"rows": 7})
    assert steps.read_manifest(lake, "numbers") is None


def test_a_claim_about_the_world_that_does_not_hold_makes_a_step_due(lake: Lake):
    hooks = StepHooks(world=lambda manifest: None if manifest.rows == 2 else "the version is gone")
    calls: list[int] = []
    run_step(lake, step(), counted(lake, calls))
    assert [reason.text for reason in why_due(lake, step(), hooks)] == ["the version is gone"]
    assert not run_step(lake, step(), counted(lake, calls), hooks).reused
    assert run_step(lake, step(), counted(lake, calls), hooks).reused


def test_a_forced_step_runs_and_keeps_its_old_files(lake: Lake):
    calls: list[int] = []
    run_step(lake, step(), counted(lake, calls))
    old = lake.read_bytes("numbers.json")
    assert not run_step(lake, step(), counted(lake, calls), forced=True).reused
    assert lake.read_bytes("set_aside/numbers.json/0") == old
    assert lake.read_json("numbers.json") == [0, 1]
