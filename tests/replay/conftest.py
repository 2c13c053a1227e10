"""A recording with a loop in it, and a model that needs no training."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds along a painted wall."""
    from painted_wall import write_drive

    path = tmp_path_factory.mktemp("wall") / "wall.mcap"
    write_drive(path)
    return path


@pytest.fixture(scope="session")
def model(thumbnail_model: Path) -> Path:
    """A model whose descriptor is a thumbnail."""
    return thumbnail_model
