"""The Python in the documentation: what `a2gc_ros` offers is run, and what other pages import is there."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from a2gc_ros import RecordingWriter, open_recording

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IMPORTED = re.compile(r"^from (a2gc_\w+(?:\.\w+)*) import (.+)$", re.MULTILINE)

TWICE_S = ((20, 66), (135, 148))
"""Seconds of the demo's recording; the second span returns to the first one's streets."""


def python(page: Path) -> str:
    return "\n".join(PYTHON.findall(page.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, one a second, that come back to where they began, and a short recording."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "photographs").mkdir()
    count = 0
    with (
        open_recording(REPOSITORY / "maps/demo/town.mcap") as recording,
        RecordingWriter(folder / "walk.mcap") as writer,
    ):
        for start, stop in TWICE_S:
            due_ns = 0
            for frame in recording.frames(start=start, stop=stop):
                if frame.stamp_ns < due_ns:
                    continue
                due_ns = frame.stamp_ns + 10**9
                bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
                assert cv2.imwrite(str(folder / "photographs" / f"{count:04}.jpg"), bgr)
                if count < 8:
                    writer.add_image(frame.stamp_ns, frame.image, jpeg_quality=90)
                count += 1
    return folder


def run(script: str, folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@pytest.mark.slow
def test_the_script_in_the_readme_finds_closures(folder: Path) -> None:
    script = python(REPOSITORY / "README.md")
    assert len([line for line in script.splitlines() if line]) <= 20
    found = re.findall(r"(\d+)\.jpg shows the place of (\d+)\.jpg: (\S+)", run(script, folder))
    assert len(found) >= 3
    assert all(int(query) > int(keyframe) + 30 and float(sure) > 0.99 for query, keyframe, sure in found)


@pytest.mark.slow
def test_the_page_on_python_runs(folder: Path) -> None:
    printed = run(python(REPOSITORY / "docs" / "python.md"), folder)
    assert "no_such_model" in printed.splitlines()[-1]


@pytest.mark.slow
def test_a_users_file_passes_mypy_strict(folder: Path) -> None:
    pytest.importorskip("mypy")
    for name, page in (("script.py", REPOSITORY / "README.md"), ("user.py", REPOSITORY / "docs" / "python.md")):
        (folder / name).write_text(python(page), encoding="utf-8")
    # As for an installed package, which an editable one is not to mypy: ours is read, and not judged.
    checked = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    result = subprocess.run(
        [*checked, "--cache-dir", "cache", "script.py", "user.py"],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_imported_is_there(page: Path) -> None:
    for module, names in IMPORTED.findall(python(page)):
        if module.startswith("a2gc_training"):
            pytest.importorskip("a2gc_training")
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
