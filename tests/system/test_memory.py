from __future__ import annotations

import subprocess
import sys

import pytest

# A process of its own: what it loads is not loaded yet.
SCRIPT = """
import sys
from pathlib import Path
from a2gc_ros.system.memory import release_code
import onnxruntime

def resident_code(folder):
    resident, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if " r-xp " in line or " rw-p " in line or " r--p " in line:
            inside = " r-xp " in line and folder in line
        elif line.startswith("Rss:") and inside:
            resident += int(line.split()[1])
    return resident

session = onnxruntime.InferenceSession(sys.argv[1])
folder = onnxruntime.__path__[0]
before = resident_code(folder)
release_code(Path(folder))
after = resident_code(folder)
assert after < before / 2, (before, after)
assert onnxruntime.InferenceSession(sys.argv[1]).get_inputs()[0].name == "images"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of a process's memory")
def test_released_code_is_not_resident_and_still_runs(repository):
    model = next((repository / "a2gc_ros" / "shipped").glob("*.onnx"))
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(model)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
