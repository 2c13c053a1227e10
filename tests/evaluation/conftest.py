"""A model that needs no training, and data sets of a few pictures in every published layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2gc_ros.extract import Extractor, open_extractor


@pytest.fixture(scope="session")
def model(thumbnail_model: Path) -> Path:
    """A model whose descriptor is a thumbnail."""
    return thumbnail_model


@pytest.fixture(scope="session")
def extractor(model: Path) -> Extractor:
    """The model, running."""
    return open_extractor(model, threads=1)
