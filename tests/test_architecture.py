"""Rules about the whole tree that no single room can check."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLED = ("a2gc_ros", "training", "simulation")


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
        ("mujoco", ("simulation/",)),
        ("gtsam", ("a2gc_ros/slam/",)),
    ],
)
def test_heavy_parts_are_imported_only_where_they_belong(repository: Path, module: str, rooms: tuple[str, ...]) -> None:
    pattern = re.compile(rf"^(import|from) {module}\b", re.MULTILINE)
    offenders = [
        str(path.relative_to(repository))
        for path in tracked(repository, *(f"{folder}/*.py" for folder in INSTALLED))
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert [name for name in offenders if not name.startswith(rooms)] == []


WITHOUT_TORCH = """
import importlib, pkgutil, sys
import a2gc_ros

sys.modules["torch"] = None  # makes every import of it fail
rooms = ("a2gc_ros.models", "a2gc_ros.extract.pytorch")
for module in pkgutil.walk_packages(a2gc_ros.__path__, "a2gc_ros.", onerror=lambda name: None):
    if module.name.startswith(rooms):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        # A robot may lack other optional parts too.
        if "torch" in str(error):
            sys.exit(f"{module.name} needs torch: {error}")
from a2gc_ros.extract import open_extractor
extractor = open_extractor("a2gc-efficientnet-lite0", threads=1)
print(extractor.spec.descriptor_dim)
"""


@pytest.mark.slow
def test_a_robot_without_torch_imports_every_room_but_those_of_torch_and_describes_images() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2048\n"), done.stderr


def test_nothing_that_could_run_code_from_a_file(repository: Path) -> None:
    pattern = re.compile(r"\bpickle\.|allow_pickle=True|weights_only=False|\byaml\.load\(|[^.\w]eval\(|[^.\w]exec\(")
    offenders = [
        str(path.relative_to(repository))
        for path in tracked(repository, *(f"{folder}/*.py" for folder in (*INSTALLED, "benchmarks", "launch")))
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


def test_the_drawing_of_the_rooms_is_what_the_imports_say(repository: Path) -> None:
    pytest.importorskip("grimp", reason="needs import-linter")
    check = [sys.executable, "scripts/draw_rooms.py", "--check"]
    done = subprocess.run(check, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
