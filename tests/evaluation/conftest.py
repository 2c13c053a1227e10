"""A model that needs no training, and data sets of a few pictures in every published layout."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from a2gc_ros.extract import Extractor, open_extractor

HERE = Path(__file__).resolve().parent

# Pytest imports test files by path; what they share lies beside them, and the model beside the tests of the node.
sys.path[:0] = [str(HERE), str(HERE.parent / "ros"), str(HERE.parent / "replay")]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose descriptor is a thumbnail."""
    from thumbnail_model import write_thumbnail_model

    path = tmp_path_factory.mktemp("model") / "thumbnail.onnx"
    write_thumbnail_model(path)
    return path


@pytest.fixture(scope="session")
def extractor(model: Path) -> Extractor:
    """The model, running."""
    return open_extractor(model, threads=1)
