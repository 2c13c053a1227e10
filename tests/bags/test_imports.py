"""A live node looks at messages without the library that reads storage files."""

from __future__ import annotations

import subprocess
import sys


def test_messages_and_trajectories_need_no_storage_library() -> None:
    code = "import sys, a2gc_ros.bags.messages, a2gc_ros.bags.trajectory; print('rosbags' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "False"
