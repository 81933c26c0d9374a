import os

from assets.lake.lake import Lake
from assets.lake.run_step import run_step
from assets.lake.steps import Step, StepOutput
from assets.reports.unused import unused_files


def test_what_a_step_would_look_up_again_is_in_use(tmp_path):
    lake = Lake(str(tmp_path))
    named = [
        "images/demo/shard-1.parquet",
        "measures/codes@2/a.parquet",
        "models/evaluator/weights.safetensors",
    ]
    in_use = [
        "images/demo/shard-1.json",
        "measures/codes@2/a.json",
        "measures/evaluator@b/a.parquet",
        "measures/evaluator@b/a.json",
    ]
    left = [
        "images/demo/shard-0.json",
        "images/demo/shard-0.parquet",
        "measures/codes@1/a.parquet",
        "measures/codes@1/a.json",
        "measures/evaluator@a/a.parquet",
        "measures/evaluator@a/a.json",
    ]
    for age, path in enumerate([*named, *in_use, *left]):
        lake.write_bytes(path, b"1")
        os.utime(tmp_path / path, (10**9 - age, 10**9 - age))
    step = Step(name="one", version="1", inputs={}, config={}, limits={})
    run_step(lake, step, lambda: StepOutput(tuple(named), rows=3))
    assert [file.path for file in unused_files(lake, ["one"])] == sorted(left)
