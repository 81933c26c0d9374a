"""The plan names the steps that read a field, and these alone: reads are recorded while the steps run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from field_changes import FIELDS, NOT_CHANGED_ALONE, with_change
from tiny import write_tiny_profile
from tiny_run import PATIENCE_SECONDS, REPOSITORY, emberline, one_thread

from models.common.fields import Role
from orchestration.plan import plan
from orchestration.profile import load_profile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(PATIENCE_SECONDS + 600)]

READ_WHERE_IT_MATTERS = {
    "corpora.corpora.[].reader": "there is one reader",
    "corpora.corpora.[].license": "the demo's metadata name a licence for every file",
    "filtered.rules.*.quantile": "no rule of the demo has a quantile",
    "filtered.rules.*.per": "no rule of the demo has a quantile",
}
"""Identity fields that the tiny lineage does not come to read, with the reason."""

TRIED_BY_A_RUN = {
    "descriptor.temperature": "copy_descriptor",
    "dedup.seed": "deduped",
    "synthesized.seed": "synthesized",
    "longtail.exemplars": "coverage",
    "longtail.refill_pairs": "longtail",
    "pairs.identity_max_change": "deduped_pairs",
    "evaluator_training.seed": "evaluator",
    "postfiltered.min_alignment": "postfiltered",
    "mixtures.long_text_words": "training_cache",
    "encode.seed": "training_cache",
    "bench.seed": "bench_report",
}
"""One field of a section that few steps read, and the first of these."""


class Made:
    """A finished home, its profile, and the fields that each step read."""

    def __init__(self, folder: Path) -> None:
        self.path, self.home = write_tiny_profile(folder / "tiny.yaml"), folder / "home"
        script = Path(__file__).with_name("field_reads.py")
        out = folder / "reads.json"
        command = [sys.executable, str(script), str(self.path), str(self.home), str(out)]
        environment = one_thread() | {"PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self.reads = {step: set(fields) for step, fields in json.loads(out.read_text()).items()}
        self.profile = load_profile(str(self.path))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return Made(tmp_path_factory.mktemp("reads"))


def concrete(field: str) -> str:
    """The path of the first of a mapping or list, which is the one that `with_change` changes."""
    return (
        field.replace("[]", "0")
        .replace("mixtures.stages.*", "mixtures.stages.pretrain")
        .replace("rules.*", "rules.generated")
    )


def test_every_field_that_steps_read_makes_exactly_these_due(made):
    everything = dg.AssetSelection.all()
    assert {row.state for row in plan(made.profile, made.home, everything)} == {"finished"}
    wrong = {}
    for field, role in FIELDS.items():
        path = tuple(concrete(field).split(".")) if "stages" in field else tuple(field.split("."))
        if role is not Role.IDENTITY or field in {*NOT_CHANGED_ALONE, "corpora.corpora"}:
            continue
        if ".loss_weight." in field:  # the demo has no such section
            continue
        rows = plan(with_change(made.profile, path), made.home, everything)
        due = {row.asset for row in rows if row.state == "due"}
        named = {row.asset for row in rows if any(reason.kind == "setting" for reason in row.reasons)}
        read = {step for step, fields in made.reads.items() if concrete(field) in fields}
        if field in READ_WHERE_IT_MATTERS:
            assert not read
        elif not due == named == read:
            wrong[field] = {"due": sorted(due), "named": sorted(named), "read": sorted(read)}
    assert wrong == {}


@pytest.mark.parametrize("field", TRIED_BY_A_RUN)
def test_a_run_makes_what_the_plan_named_and_nothing_before_it(made, tmp_path, field):
    section, name = field.split(".")
    content = yaml.safe_load(made.path.read_text())
    value = content[section][name]
    content[section][name] = value + 1 if isinstance(value, int) else value * 0.9 + 0.01
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(content, sort_keys=False))
    home = shutil.copytree(made.home, tmp_path / "home", symlinks=True)
    first = TRIED_BY_A_RUN[field]
    rows = plan(load_profile(str(changed)), home, dg.AssetSelection.all())
    due = [row for row in rows if row.state == "due"]
    assert due[0].asset == first
    assert any(reason.kind == "setting" and name in reason.text for reason in due[0].reasons)
    times = {row.asset: _written(home, row.asset) for row in rows}
    done = emberline("run", "--profile", str(changed), "--home", str(home), "--select", f"*{first}")
    assert done.returncode == 0, done.stderr[-3000:]
    written = {row.asset for row in rows if _written(home, row.asset) != times[row.asset]}
    assert written == {first}


def _written(home: Path, asset: str) -> list[int]:
    return sorted(
        path.stat().st_mtime_ns
        for path in (home / "manifests").rglob("*.json")
        if asset in path.parts or path.stem == asset
    )
