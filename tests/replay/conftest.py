"""A recording with a loop in it, and a model that needs no training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

# Pytest imports test files by path; what they share lies beside them, and the model beside the tests of the node.
sys.path[:0] = [str(HERE), str(HERE.parent / "ros")]


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds along a painted wall."""
    from painted_wall import write_drive

    path = tmp_path_factory.mktemp("wall") / "wall.mcap"
    write_drive(path)
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose descriptor is a thumbnail."""
    from thumbnail_model import write_thumbnail_model

    path = tmp_path_factory.mktemp("model") / "thumbnail.onnx"
    write_thumbnail_model(path)
    return path
