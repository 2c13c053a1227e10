from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")

# Pytest imports test files by path; what they share lies beside them.
sys.path.insert(0, str(Path(__file__).resolve().parent))
