"""What a manifest records about the code and the machine that made a result."""

import contextlib
import functools
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NUMERIC_PACKAGES = (
    "numpy",
    "polars",
    "pillow",
    "opencv-python-headless",
    "onnxruntime",
    "torch",
    "deepspeed",
    "transformers",
    "diffusers",
)


def git_commit() -> str | None:
    """Returns the commit of this code, with `+` if there are local changes; None outside a repository."""
    if shutil.which("git") is None:
        return None
    root = Path(__file__).parents[2]
    process = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return process.stdout.strip() or None if process.returncode == 0 else None


@functools.cache
def platform_record() -> dict[str, str]:
    """Returns the CPU model and the versions of the libraries that compute results.

    Results can differ in their last bits between two platforms; see docs/architecture.md.
    """
    versions = {}
    for package in NUMERIC_PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"cpu": _cpu_model(), "python": platform.python_version(), **versions}


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
