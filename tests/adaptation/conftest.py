"""Models small enough to be written by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("onnx")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    from tiny_models import tiny_model

    def write(head: str = "whitening", precision: str = "fp32") -> Path:
        path = tmp_path / f"tiny-{head}-{precision}.onnx"
        path.write_bytes(tiny_model(head, precision))
        return path

    return write
