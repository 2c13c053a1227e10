"""Dockerfiles and workflow, which cannot run here: read as their own tools would, and held against what they name."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILES = sorted((REPOSITORY / "docker").glob("Dockerfile.*"))
INSTRUCTIONS = {"ARG", "FROM", "SHELL", "ENV", "WORKDIR", "COPY", "RUN", "ENTRYPOINT", "CMD"}


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, their lines joined."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def requirements() -> dict[str, str]:
    """Least versions of setup.py by package."""
    text = (REPOSITORY / "setup.py").read_text(encoding="utf-8")
    return {name.lower(): version for name, version in re.findall(r'"([\w-]+)(?:\[\w+\])?(?:>=([\w.]+))?"', text)}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_keeps_the_rules(path):
    steps = instructions(path)
    assert {word for word, _ in steps} <= INSTRUCTIONS
    arguments = {rest.partition("=")[0] for word, rest in steps if word == "ARG" and "=" in rest}
    piped = any(word == "SHELL" and "pipefail" in rest for word, rest in steps)
    for word, rest in steps:
        if word == "FROM":
            used = set(re.findall(r"\$\{(\w+)\}", rest))
            assert used <= arguments, "an image's version is an argument with a default"
            assert used or ":" in rest
            assert "latest" not in rest
        elif word == "WORKDIR":
            assert rest.startswith("/")
        elif word == "COPY":
            *sources, _ = rest.split()
            assert all((REPOSITORY / source).exists() for source in sources), rest
        elif word in ("ENTRYPOINT", "CMD", "SHELL"):
            assert all(isinstance(part, str) for part in json.loads(rest))
        elif word == "RUN":
            assert subprocess.run(["bash", "-n", "-c", rest], check=False).returncode == 0
            assert not re.search(r"\bsudo\b|\bapt (install|update)\b|\bcd ", rest)
            assert "|" not in rest.replace("||", "") or piped
            assert ("apt-get install" in rest or "rosdep install" in rest) <= ("apt-get update" in rest)
            assert ("apt-get update" in rest) <= ("rm -rf /var/lib/apt/lists/*" in rest)
            for options in re.findall(r"apt-get install ([^&]*)", rest):
                assert "-y" in options.split()
                assert "--no-install-recommends" in options
    first = next(word for word, _ in steps if word != "ARG")
    assert first == "FROM"


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_a_dockerfile_installs_is_what_setup_py_asks_for(path):
    least = requirements()
    steps = [rest for word, rest in instructions(path) if word == "RUN"]
    for command in re.findall(r"pip3 install ([^&]*)", " ".join(steps)):
        assert '"numpy<2"' in command, "ROS and JetPack cannot load NumPy 2"
        for name, version in re.findall(r'"([\w-]+)>=([\w.]+)', command):
            assert least[name.lower()] == version, name
    keys = {element.text for element in ElementTree.parse(REPOSITORY / "package.xml").iter() if "depend" in element.tag}
    for skipped in re.findall(r'--skip-keys "([^"]*)"', " ".join(steps)):
        assert set(skipped.split()) <= keys


def test_the_entrypoint_is_a_script_that_bash_reads():
    script = REPOSITORY / "docker" / "entrypoint.sh"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    named = re.search(r"share/a2gc_ros/(config/\w+\.xml)", script.read_text(encoding="utf-8"))
    assert named is not None
    assert (REPOSITORY / named[1]).is_file()


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for true.
    return yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def commands(workflow: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"])


def test_the_workflow_covers_what_is_supported(workflow):
    matrix = workflow["jobs"]["wheels"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert workflow["jobs"]["container"]["strategy"]["matrix"]["distribution"] == ["humble", "jazzy", "kilted"]
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert set(step) <= {"name", "uses", "with", "run", "env"}
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])


def test_what_the_workflow_runs_exists(workflow):
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    text = commands(workflow)
    for target in re.findall(r"\bmake (\w+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for variable in re.findall(r"\b([A-Z_]{5,})=", text):
        assert f"$({variable})" in makefile or f"{variable} ?=" in makefile, variable
    for path in re.findall(r"(?:docker/|tests/|maps/)[\w./]*\w", text):
        assert (REPOSITORY / path).exists(), path
    for case in workflow["jobs"]["oldest"]["strategy"]["matrix"]["include"]:
        assert (REPOSITORY / ".ci" / f"{case['distribution']}.txt").is_file()


@pytest.mark.parametrize("distribution", ["humble", "jazzy"])
def test_the_oldest_packages_are_those_that_setup_py_allows(distribution):
    least = requirements()
    text = (REPOSITORY / ".ci" / f"{distribution}.txt").read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w-]+)==([\d.]+)$", text, re.MULTILINE):
        if least.get(name.lower()):
            numbers = [[int(part) for part in number.split(".")] for number in (version, least[name.lower()])]
            assert numbers[0] >= numbers[1], name
