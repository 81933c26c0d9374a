"""The table of what a changed run does to the folder of an older one: kept, extended, refused or archived."""

import hashlib
import json

import pytest
from toy_run import stage_run, write_data

from trainers.identity import (
    ARCHIVE,
    CHECKPOINTS,
    FILES,
    IDENTITY,
    RESULT,
    IdentityChangedError,
    Layout,
    LayoutChangedError,
    MissingWeightsError,
    archive,
    claim,
    finished_result,
    input_digests,
    run_fingerprint,
    run_identity,
    segments_of,
)
from trainers.stages import registry

ONE_RANK = Layout(world_size=1, zero_stage=1)


@pytest.fixture
def data(tmp_path):
    write_data(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "run"


def made(data, output, *, finished: bool, layout: Layout = ONE_RANK, **changes) -> dict[str, bytes]:
    """Claims a folder, puts a checkpoint and perhaps a result into it, and returns its files."""
    output.mkdir()
    claim(stage_run(data, "pretrain", output, **changes), layout)
    checkpoint = output / CHECKPOINTS / "step-00000002"
    checkpoint.mkdir(parents=True)
    record = {"layout": {"world_size": layout.world_size, "zero_stage": layout.zero_stage}}
    (checkpoint / "manifest.json").write_text(json.dumps(record))
    (checkpoint / "weights.bin").write_bytes(b"weights")
    if finished:
        (output / "final").mkdir()
        (output / "final" / "weights.bin").write_bytes(b"final")
        sha256 = hashlib.sha256(b"final").hexdigest()
        (output / RESULT).write_text(json.dumps({"steps": 6, FILES: {"final/weights.bin": sha256}}))
    return files(output)


def files(folder) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != IDENTITY
    }


@pytest.mark.parametrize(
    "change",
    [
        {"keep_checkpoints": 5},
        {"checkpoint_every": 1},
        {"validate_every": 1},
        {"validation_samples": 1},
        {"validation_edits": 1},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("finished", [False, True], ids=["unfinished", "finished"])
def test_an_operational_field_keeps_a_run(data, output, change, finished):
    before = made(data, output, finished=finished)
    claim(stage_run(data, "pretrain", output, **change), ONE_RANK)
    assert files(output) == before
    assert not (output / ARCHIVE).exists()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"learning_rate": 0.5}, "config.learning_rate"),
        ({"seed": 9}, "config.seed"),
        ({"batch_size": 2}, "config.batch_size"),
        ({"precision": "bf16"}, "config.precision"),
        ({"initial_exponent": 7.0}, "config.initial_exponent"),
        ({"steps": 2}, "config.steps"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("finished", [False, True], ids=["unfinished", "finished"])
def test_an_identity_field_is_refused_and_named(data, output, change, name, finished):
    before = made(data, output, finished=finished)
    with pytest.raises(IdentityChangedError) as raised:
        claim(stage_run(data, "pretrain", output, **change), ONE_RANK)
    assert list(raised.value.changes) == [name]
    assert raised.value.changes[name][1] == next(iter(change.values()))
    assert "--fresh" in str(raised.value)
    assert files(output) == before


def test_changed_data_is_refused_too(data, output):
    before = made(data, output, finished=False)
    (data / "mixture.parquet").write_bytes(b"another mixture")
    with pytest.raises(IdentityChangedError) as raised:
        claim(stage_run(data, "pretrain", output), ONE_RANK)
    assert list(raised.value.changes) == ["inputs.mixture"]
    assert files(output) == before


def test_another_code_version_is_refused(data, output, monkeypatch):
    made(data, output, finished=True)
    spec = registry.stage_spec("pretrain")
    raised_version = type(spec)(**{**vars(spec), "version": "2"})
    monkeypatch.setattr(registry, "_SPECS", {"pretrain": raised_version})
    with pytest.raises(IdentityChangedError) as raised:
        claim(stage_run(data, "pretrain", output), ONE_RANK)
    assert raised.value.changes == {"code_version": ("1", "2")}


def test_fresh_archives_the_old_run_under_its_fingerprint(data, output):
    before = made(data, output, finished=True)
    old = run_fingerprint(run_identity(stage_run(data, "pretrain", output)))
    claim(stage_run(data, "pretrain", output, seed=9), ONE_RANK, fresh=True)
    assert files(output / ARCHIVE / old) == before
    assert json.loads((output / ARCHIVE / old / IDENTITY).read_text())["identity"]["config"]["seed"] != 9
    assert not (output / RESULT).exists()
    assert not (output / CHECKPOINTS).exists()
    assert segments_of(output) == [stage_run(data, "pretrain", output).config.steps]


def test_fresh_keeps_a_run_that_can_be_continued(data, output):
    before = made(data, output, finished=False)
    claim(stage_run(data, "pretrain", output), ONE_RANK, fresh=True)
    assert files(output) == before


def test_two_runs_of_one_identity_are_archived_beside_each_other(data, output):
    for seed in (9, 0, 9, 0):
        (output / "final").mkdir(parents=True, exist_ok=True)
        claim(stage_run(data, "pretrain", output, seed=seed), ONE_RANK, fresh=True)
    names = sorted(path.name for path in (output / ARCHIVE).iterdir())
    assert len(names) == 3
    assert sum(name.endswith("-2") for name in names) == 1


@pytest.mark.parametrize("layout", [Layout(2, 1), Layout(1, 2)], ids=["ranks", "zero stage"])
def test_a_finished_run_ignores_ranks_and_an_unfinished_one_refuses_others(data, output, layout, tmp_path):
    made(data, output, finished=True)
    claim(stage_run(data, "pretrain", output), layout)
    unfinished = tmp_path / "unfinished"
    before = made(data, unfinished, finished=False)
    with pytest.raises(LayoutChangedError) as raised:
        claim(stage_run(data, "pretrain", unfinished), layout)
    assert (raised.value.stored, raised.value.wanted) == (ONE_RANK, layout)
    assert files(unfinished) == before


def test_more_steps_extend_a_run_and_set_its_result_aside(data, output):
    made(data, output, finished=True)
    steps = segments_of(output)[-1]
    claim(stage_run(data, "pretrain", output, steps=steps + 4), ONE_RANK)
    assert segments_of(output) == [steps, steps + 4]
    assert (output / "segments" / str(steps) / "final" / "weights.bin").read_bytes() == b"final"
    assert not (output / RESULT).exists()
    assert (output / CHECKPOINTS / "step-00000002").exists()


def test_an_archive_that_was_killed_half_way_is_completed(data, output):
    made(data, output, finished=True)
    half = output / ARCHIVE / "name"
    half.mkdir(parents=True)
    (output / CHECKPOINTS).rename(half / CHECKPOINTS)
    assert archive(output, "name") == half
    assert {path.name for path in half.iterdir()} >= {CHECKPOINTS, "final", RESULT, IDENTITY}
    assert {path.name for path in output.iterdir()} == {ARCHIVE}


def test_every_weight_shard_counts_as_an_input(data, output, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    run = stage_run(data, "sft", output, init_from=weights)
    with pytest.raises(MissingWeightsError):
        input_digests(run)
    for number in (1, 2):
        (weights / f"model-{number}.safetensors").write_bytes(bytes([number]))
    first = input_digests(run)["init_from"]
    (weights / "model-2.safetensors").write_bytes(b"changed")
    assert input_digests(run)["init_from"] != first


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "no result", "damaged result"])
def test_a_result_with_a_damaged_file_does_not_count_as_finished(data, output, damage):
    made(data, output, finished=True)
    assert finished_result(output) is not None
    weights = output / "final" / "weights.bin"
    if damage == "missing":
        weights.unlink()
    elif damage in ("cut", "flipped"):
        weights.write_bytes(b"fin" if damage == "cut" else b"finaL")
    elif damage == "no result":
        (output / RESULT).unlink()
    else:
        (output / RESULT).write_text('{"steps": 6, "files"')
    assert finished_result(output) is None
