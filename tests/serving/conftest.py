"""One map for all."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wall(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A map, and the model that made it."""
    from serving import wall_map

    return wall_map(tmp_path_factory.mktemp("served"))
