"""The image and the services: nothing is published beyond loopback, nothing secret stands in a file."""

import re
import shutil
import subprocess
import tomllib

import click
import pytest
import yaml
from tiny_run import REPOSITORY

from orchestration.cli import main

COMPOSE_FILE = REPOSITORY / "docker/compose.yaml"
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (REPOSITORY / "docker/Dockerfile").read_text()
SECRET = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|CREDENTIAL")
OURS = [name for name, service in SERVICES.items() if "build" in service and "entrypoint" not in service]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]  # pyright: ignore


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_alone(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_ours_or_pinned(name):
    service = SERVICES[name]
    image, _, tag = service["image"].partition(":")
    assert tag
    assert tag != "latest"
    if image == "emberline":
        assert (COMPOSE_FILE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    else:
        assert re.match(r"v?\d+\.\d+", tag), "a tag that moves is no pin"


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_the_environment(name):
    for variable, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(variable):
            assert value is None or re.fullmatch(r"\$\{[A-Z_]+:-\}", value), variable
    assert "env_file" not in SERVICES[name]


def test_a_file_of_secrets_is_ignored_by_git():
    done = subprocess.run(["git", "check-ignore", "docker/.env"], cwd=REPOSITORY, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("name", OURS)
def test_services_call_commands_that_there_are(name):
    arguments = SERVICES[name]["command"]
    if arguments == ["--help"]:
        return
    command = main.get_command(click.Context(main), arguments[0])
    assert command is not None
    context = command.make_context(arguments[0], arguments[1:], resilient_parsing=True)
    assert context.params


def test_the_servers_of_the_pages_run_each_once():
    only = [SERVICES[name]["command"][2] for name in ("dagster", "daemon", "mlflow")]
    assert only == ["dagster", "dagster-daemon", "mlflow"]


def test_mlflow_knows_its_own_name_and_starts_no_jobs():
    environment = SERVICES["mlflow"]["environment"]
    hosts = re.fullmatch(
        r"\$\{MLFLOW_SERVER_ALLOWED_HOSTS:-(.*)\}", environment["MLFLOW_SERVER_ALLOWED_HOSTS"]
    )
    assert hosts is not None
    assert {"mlflow:5000", "localhost:5000", "127.0.0.1:5000"} <= set(hosts[1].split(","))
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_the_profile_names_the_tracking_server():
    assert all("MLFLOW_TRACKING_URI" not in SERVICES[name].get("environment", {}) for name in SERVICES)


def test_what_a_service_waits_for_and_keeps_is_there():
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= SERVICES.keys()
        named = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert named <= COMPOSE["volumes"].keys()
    kept = {volume for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert len(kept) == len(COMPOSE["volumes"])


def test_the_image_starts_from_a_version_and_does_not_run_as_root():
    found = instructions()
    bases = [rest.split()[0] for word, rest in found if word == "FROM"]
    assert all(re.search(r":\d+\.\d+", base) for base in bases)
    users = [rest for word, rest in found if word == "USER"]
    assert users
    assert users[-1] != "root"
    last_stage = max(number for number, (word, _) in enumerate(found) if word == "FROM")
    assert any(word == "USER" for word, _ in found[last_stage:])


def test_the_image_holds_everything_that_a_run_needs():
    copied = [rest.split() for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    sources = {source for *parts, _ in copied for source in parts}
    assert all((REPOSITORY / source).exists() for source in sources)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = {
        pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    assert packages | {"profiles", "pyproject.toml", "constraints.txt"} <= sources
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert sources == let_in
    extras = re.search(r"'\.\[([a-z,]+)\]'", DOCKERFILE)
    assert extras is not None
    assert set(extras[1].split(",")) <= project["project"]["optional-dependencies"].keys()


def test_docker_reads_the_services():
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], check=False).returncode
    ):
        pytest.skip("needs the docker client with its compose plugin")
    command = ["docker", "compose", "--file", str(COMPOSE_FILE), "--profile", "*", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
