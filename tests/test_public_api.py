"""What `import a2gc_ros` offers is what the documentation lists, and costs nothing before it is used."""

from __future__ import annotations

import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import a2gc_ros

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_page_lists_what_there_is() -> None:
    table = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    assert sorted(re.findall(r"`(\w+)`", "".join(table))) == sorted(a2gc_ros.__all__)
    assert sorted(re.findall(r"^    (\w+) {2,}", str(a2gc_ros.__doc__), re.MULTILINE)) == sorted(a2gc_ros.__all__)


@pytest.mark.parametrize("name", a2gc_ros.__all__)
def test_each_name_is_there_with_a_docstring(name: str) -> None:
    assert getattr(a2gc_ros, name).__name__ == name
    assert pydoc.getdoc(getattr(a2gc_ros, name))
    assert name in dir(a2gc_ros)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_exractor'"):
        a2gc_ros.open_exractor  # noqa: B018


def test_importing_loads_nothing() -> None:
    script = (
        "import sys, a2gc_ros; before = set(sys.modules);"
        "assert not {'numpy', 'cv2', 'faiss', 'torch', 'rclpy'} & before;"
        "[getattr(a2gc_ros, name) for name in a2gc_ros.__all__];"
        "assert not {'torch', 'rclpy', 'matplotlib', 'typer'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_help_reads_like_a_table_of_contents() -> None:
    shown = pydoc.plain(pydoc.render_doc(a2gc_ros))
    contents = shown[: shown.index("PACKAGE CONTENTS")]
    assert all(f" {name} " in contents for name in a2gc_ros.__all__)


WITHOUT_OPENCV = "import sys; sys.modules['cv2'] = None; import a2gc_ros; "


def test_help_does_not_need_opencv() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_OPENCV}help(a2gc_ros)"],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert all(f" {name} " in done.stdout for name in a2gc_ros.__all__)


@pytest.mark.parametrize("use", ["from a2gc_ros import PlaceMap", "a2gc_ros.open_recording"])
def test_what_is_missing_is_said_with_how_to_get_it(use: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPENCV + use], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: OpenCV (the Python module cv2) is not installed: apt install python3-opencv, or "
        "pip install opencv-python-headless"
    )
