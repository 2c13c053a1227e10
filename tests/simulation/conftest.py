from __future__ import annotations

import pytest
from a2gc_simulation.config import DriveConfig, TownConfig, WheelNoise
from a2gc_simulation.drive import Drive, plan_drive
from a2gc_simulation.layout import build_town
from a2gc_simulation.town import Town

from a2gc_ros.errors import BackendError

SMALL = {"width": 160, "height": 120}


@pytest.fixture(scope="session")
def town() -> Town:
    return build_town(TownConfig(seed=3))


@pytest.fixture(scope="session")
def drive(town: Town) -> Drive:
    return plan_drive(town, DriveConfig(seed=3, **SMALL))


@pytest.fixture(scope="session")
def hamlet() -> Town:
    """One block of houses, coarsely painted: enough to draw, and soon built."""
    return build_town(TownConfig(seed=5, columns=2, rows=2, twins=None, texels_per_metre=12))


@pytest.fixture(scope="session")
def short_drive(hamlet: Town) -> Drive:
    return plan_drive(
        hamlet,
        DriveConfig(
            seed=5, lap=((0, 0), (1, 0), (1, 1), (0, 1)), against=(), laps=2, rate=0.1, noise=WheelNoise(), **SMALL
        ),
    )


@pytest.fixture(scope="session")
def opengl() -> None:
    """Skips where nothing can be drawn, and says what is missing."""
    from a2gc_simulation.gl import find_backend

    try:
        find_backend()
    except BackendError as error:
        pytest.skip(str(error))
