"""The command line with Typer, Click and rich as Ubuntu's packages have them, beside everything else as it is here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DISTRIBUTIONS = {
    "humble": ("typer==0.4.0", "click==8.0.3", "rich==11.2.0", "commonmark==0.9.1"),
    "jazzy": ("typer==0.9.0", "click==8.1.6", "rich==13.7.1"),
}
"""Of Ubuntu 22.04 and 24.04; rosdep takes these packages from there."""

EVERY_HELP = """
import json, sys
import typer
from typer.testing import CliRunner
from a2gc_ros.cli.main import app

def commands(command, words=()):
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from commands(child, (*words, name))
    else:
        yield words

answers = {}
for words in [(), *commands(typer.main.get_command(app))]:
    result = CliRunner().invoke(app, [*words, "--help"])
    answers[" ".join(words)] = [result.exit_code, result.output]
json.dump([typer.__version__, answers], sys.stdout)
"""


@pytest.fixture(scope="module", params=DISTRIBUTIONS)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which Python finds the old packages first."""
    folder = tmp_path_factory.mktemp(request.param)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run(
        [*command, *DISTRIBUTIONS[request.param]], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        pytest.skip(f"needs an index of Python packages: {done.stderr.strip()[-200:]}")
    paths = [str(folder), str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "COLUMNS": "160",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "DISTRIBUTION": request.param,
    }


def run(old: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=old, capture_output=True, text=True, timeout=60, check=False
    )


def test_every_command_explains_its_options(old):
    done = run(old, "-c", EVERY_HELP)
    assert done.returncode == 0, done.stderr
    version, answers = json.loads(done.stdout)
    assert f"typer=={version}" in DISTRIBUTIONS[old["DISTRIBUTION"]]
    assert {code for code, _ in answers.values()} == {0}
    assert "Build place maps from recordings" in answers[""][1]
    # A name that stands in Annotated, a flag, a list, and a default.
    assert "--model" in answers["eval"][1]
    assert "--no-json" not in answers["map info"][1]
    assert "--set" in answers["replay"][1]
    assert "a2gc-efficientnet-lite0" in answers["map build"][1]


def test_arguments_reach_the_commands(old, tmp_path, repository):
    bag = repository / "maps" / "demo" / "town.mcap"
    done = run(old, "-m", "a2gc_ros.cli.main", "bag", "info", str(bag), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    done = run(old, "-m", "a2gc_ros.cli.main", "replay", str(bag), "--set", "k=two", "--report", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "k is 'two'" in done.stderr
    assert "Traceback" not in done.stderr
