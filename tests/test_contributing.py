"""What the project tells those who work on it holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import a2gc_ros


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_before_a_commit_runs_what_lint_runs(repository: Path) -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    commands = re.findall(r"\$\(BIN\)/(.+)", recipe[1])
    (hooks,) = (entry["hooks"] for entry in read(repository / ".pre-commit-config.yaml")["repos"])
    assert [hook["entry"] for hook in hooks] == commands


def test_the_version_is_one_everywhere(repository: Path) -> None:
    texts = {
        name: (repository / name).read_text(encoding="utf-8")
        for name in ("package.xml", "a2gc_msgs/package.xml", "a2gc_msgs/pyproject.toml", "CITATION.cff")
    }
    pattern = re.compile(r'^\s*(?:<version>|version = "|version: )([\d.]+)', re.MULTILINE)
    found = {name: pattern.findall(text) for name, text in texts.items()}
    assert found == {name: [a2gc_ros.__version__] for name in texts}


def test_the_citation_has_what_its_format_requires(repository: Path) -> None:
    citation = read(repository / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == "Apache-2.0"


@pytest.mark.parametrize("form", ["problem.yml", "wish.yml"])
def test_forms_are_ones_that_github_shows(repository: Path, form: str) -> None:
    content = read(repository / ".github" / "ISSUE_TEMPLATE" / form)
    assert {"name", "description", "body"} <= set(content)
    fields = content["body"]
    assert all(field["type"] in ("textarea", "input", "dropdown", "markdown", "checkboxes") for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_every_target_that_is_told_exists(repository: Path) -> None:
    told = set(re.findall(r"`make ([a-z-]+)", (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):.*##", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert told - targets == set()


def test_the_changelog_is_one_that_ros_releases_read(repository: Path, tmp_path: Path) -> None:
    changelog = pytest.importorskip("catkin_pkg.changelog", reason="needs catkin_pkg")
    text = (repository / "CHANGELOG.rst").read_text(encoding="utf-8")
    released = tmp_path / "CHANGELOG.rst"
    heading = "1.0.0 (2030-01-01)"
    released.write_text(text.replace("Forthcoming\n-----------", f"{heading}\n{'-' * len(heading)}"), encoding="utf-8")
    ((version, _, content),) = changelog.get_changelog_from_path(str(released)).foreach_version()
    assert version == "1.0.0"
    assert {"The node", "Place maps", "Models"} <= set(
        re.findall(r"^\s*\* (.+)$", "\n".join(map(str, content)), re.MULTILINE)
    )
