"""Rules about the whole tree that no single room can check."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest


def tracked(repository: Path, *patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=repository, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("needs a git checkout")
    return [repository / name for name in listing.stdout.split("\0") if name and (repository / name).is_file()]


@pytest.mark.parametrize(
    ("module", "rooms"),
    [
        ("torch", ("a2gc_ros/models/", "a2gc_ros/extract/pytorch/", "training/")),
        ("rclpy", ("a2gc_ros/nodes/", "a2gc_ros/bridges/")),
        ("mujoco", ("a2gc_ros/simulation/",)),
        ("gtsam", ("a2gc_ros/slam/",)),
    ],
)
def test_heavy_parts_are_imported_only_where_they_belong(repository: Path, module: str, rooms: tuple[str, ...]) -> None:
    pattern = re.compile(rf"^(import|from) {module}\b", re.MULTILINE)
    offenders = [
        str(path.relative_to(repository))
        for path in tracked(repository, "a2gc_ros/*.py", "training/*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert [name for name in offenders if not name.startswith(rooms)] == []


def test_nothing_that_could_run_code_from_a_file(repository: Path) -> None:
    pattern = re.compile(r"\bpickle\.|allow_pickle=True|weights_only=False|\byaml\.load\(|[^.\w]eval\(|[^.\w]exec\(")
    offenders = [
        str(path.relative_to(repository))
        for path in tracked(repository, "a2gc_ros/*.py", "training/*.py", "benchmarks/*.py", "launch/*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_no_file_is_too_long_to_read(repository: Path) -> None:
    long = {
        str(path.relative_to(repository)): lines
        for path in tracked(repository, "*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}
