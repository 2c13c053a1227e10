"""Every command in the documentation works.

Blocks fenced as ``bash`` are run, page by page and in order, as if typed at the root of a fresh clone; what they write
stays in a scratch folder. Blocks fenced as ``console`` show what needs more than this machine has: a ROS distribution,
a download, a robot.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("**/*.md")])
FENCE = re.compile(r"^( *)```bash\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

# These are what runs the tests, so a test cannot run them.
SETUP = re.compile(r"^(make (demo|test|venv|lint)|git clone .*|cd a2gc_ros)\b.*$", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """Returns the commands of a page."""
    found = (match.group(2) for match in FENCE.finditer(page.read_text(encoding="utf-8")))
    return [SETUP.sub("", block) for block in found]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like the root of the repository; writing into it leaves the repository alone."""
    for entry in REPOSITORY.iterdir():
        if not entry.name.startswith(".") and entry.name not in ("build", "install", "log", "runs"):
            (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page.is_file() and blocks(page)], ids=lambda p: p.stem)
def test_commands_of_a_page(page: Path, clone: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(blocks(page))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-c", script], cwd=clone, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, f"{page.name}:\n{script}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
