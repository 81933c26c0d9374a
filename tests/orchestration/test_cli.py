import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchestration.cli import COMMANDS, main
from orchestration.environment import QUIET
from orchestration.profile import PROFILES

HEAVY = {"torch", "diffusers", "transformers", "mlflow", "deepspeed"}
HEAVY |= {"qdrant_client", "rapidocr", "sklearn", "skimage"}
OURS = {"assets", "benchmarks", "models", "trainers"}


def emberline(*arguments: str):
    return CliRunner().invoke(main, arguments, prog_name="emberline", catch_exceptions=False)


def imported(code: str) -> set[str]:
    """The names of the outermost packages that a fresh interpreter has imported after running some code."""
    report = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def every_command() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())


def test_listing_the_commands_imports_none_of_them():
    found = imported("from orchestration.cli import main; main(['--help'], standalone_mode=False)")
    assert not found & (HEAVY | OURS | {"dagster", "polars", "numpy", "pydantic"})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_needs_no_heavy_library(name):
    found = imported(f"from orchestration.cli import main; main(['{name}', '--help'], standalone_mode=False)")
    assert not found & HEAVY


def test_the_code_location_loads_without_a_heavy_library():
    assert not imported("import orchestration.definitions") & HEAVY


def test_the_list_says_what_each_command_says_of_itself():
    listed = emberline("--help").output
    for name, spec in COMMANDS.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.help is not None
        first = command.help.replace("\b", "").strip().partition("\n")[0]
        assert first == spec.summary
        assert f"\n  {name} " in listed


def test_the_help_of_every_command_shows_an_example():
    for name, command in every_command():
        shown = emberline(*name.split(), "--help").output
        assert f"  emberline {name}" in shown, name
        assert command.help is not None


def test_no_library_phones_home():
    asked = QUIET.keys()
    assert {"DAGSTER_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "DVC_NO_ANALYTICS"} <= asked
    assert "HF_HUB_DISABLE_TELEMETRY" in asked
    said = "import os, orchestration.cli as cli; cli.main.callback(); print(os.environ['DVC_NO_ANALYTICS'])"
    assert (
        "true"
        in subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout
    )


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (
            ["run", "--profile", "nowhere"],
            "Error: No profile nowhere. Give the path of",
        ),
        (["run", "--select", "((", "--plan"], "Error: '((' is not a valid selection."),
        (
            ["run", "--select", "nosuch", "--plan"],
            "Error: There is no asset nosuch. There are demo_corpus",
        ),
        (["run", "--select", "nft", "--job", "all"], "Error: --select and --job both choose assets."),
        (["run", "--job", "nothing"], "is not one of 'data', 'train', 'bench', 'all'"),
        (["explain", "abc"], "Error: There are no results in"),
        (["status"], "Error: There are no results in"),
        (["export"], "Error: There are no results in"),
        (["run", "--select", "", "--plan"], "Error: The selection is empty."),
        (["run", "--select", " "], "Error: The selection is empty."),
        (["verify"], "Error: There are no results in"),
        (["gc"], "Error: There are no results in"),
        (["run", "--force", "dedupd"], "There is no asset dedupd. Did you mean deduped?"),
        (["demo", "--images", "nowhere"], "Directory 'nowhere' does not exist."),
        (["nonsense"], "No such command 'nonsense'."),
        (["statu"], "Did you mean"),
    ],
)
def test_what_the_user_can_fix_is_said_in_a_sentence(arguments, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = emberline(*arguments)
    assert done.exit_code != 0
    assert answer in done.output
    assert not list(tmp_path.iterdir())


def test_a_fault_in_a_profile_is_said_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (PROFILES / "demo.yaml").read_text()
    line = 1 + text.splitlines().index("  steps: 110")
    Path("mine.yaml").write_text(text.replace("  steps: 110", "  steps: many"))
    done = emberline("demo", "--profile", "mine.yaml")
    assert done.exit_code == 1
    assert f"Error: mine.yaml:{line} descriptor.steps: 'many' is not a whole number" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_password_never_reaches_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret = "http://anna:hunter2@mlflow.example"
    text = (
        (PROFILES / "demo.yaml").read_text().replace("tracking: {uri: null", f"tracking: {{uri: '{secret}'")
    )
    Path("mine.yaml").write_text(text)
    done = emberline("run", "--plan", "--profile", "mine.yaml")
    assert done.exit_code == 1
    assert "tracking.uri: contains a password" in done.output
    assert "hunter2" not in done.output


def test_variables_that_change_a_meaning_are_announced_or_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:hunter2@mlflow.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    done = emberline("run", "--plan", "--home", str(tmp_path / "home"))
    assert done.exit_code == 0
    assert done.stderr == (
        "Environment variables: AWS_ENDPOINT_URL in use; "
        "MLFLOW_TRACKING_URI ignored, because the profile and the home decide.\n"
    )
    assert "sqlite:///" in done.stdout
    assert "mlflow.example" not in done.stdout
    assert "MLFLOW_TRACKING_URI" not in os.environ, "the client of MLflow would read it"


@pytest.mark.parametrize("command", ["rollback", "status", "verify", "gc"])
def test_a_home_that_is_not_there_is_said_and_not_made(command, tmp_path):
    done = CliRunner().invoke(main, [command, "--home", str(tmp_path / "nope")])
    assert done.exit_code == 1
    assert "There are no results in" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["run", "--plan"], ["status"], ["rollback"]])
def test_a_home_below_a_file_is_refused_in_a_line(command, tmp_path):
    (tmp_path / "file").write_text("x")
    done = CliRunner().invoke(main, [*command, "--home", str(tmp_path / "file" / "sub")])
    assert done.exit_code == 1
    assert done.output.strip().endswith(
        f"{tmp_path / 'file'} is a file, not a folder. Choose a folder with --home."
    )
