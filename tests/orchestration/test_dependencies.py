"""Dagster and DVC meet in antlr; a wrong resolution breaks every selection string without a word from pip."""

from pathlib import Path

import dagster as dg

REPOSITORY = Path(__file__).parents[2]


def test_dagster_reads_selection_strings():
    selection = dg.AssetSelection.from_string('group:"training" or key:"deduped"+')
    assert selection is not None


def test_dvc_reads_hydra_overrides(tmp_path):
    from dvc.utils.hydra import apply_overrides

    params = tmp_path / "params.yaml"
    params.write_text("seed: 1\n")
    apply_overrides(params, ["seed=2"])
    assert "seed: 2" in params.read_text()


def test_the_fast_tests_of_make_check_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    named = makefile.partition("FAST := ")[2].partition("\n\n")[0].replace("\\", "").split()
    assert len(named) > 20
    paths = [path.removeprefix("--ignore=") for path in named]
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []
