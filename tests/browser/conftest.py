"""A browser for a module, and the page of a recording whose names are meant to do harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "viz")]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    from browsing import chromium, open_browser

    if chromium() is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two rounds along a painted wall, whose file and topic have markup in their names."""
    from browsing import HARM
    from painted_wall import SETTINGS, write_drive
    from thumbnail_model import write_thumbnail_model

    from a2gc_ros.replay.pipeline import ReplayOptions, replay

    folder = tmp_path_factory.mktemp("harm")
    bag = folder / f"{HARM.replace('/', '')}.mcap"
    write_drive(bag, truth_topic=f"/{HARM}/ground_truth")
    write_thumbnail_model(folder / "thumbnail.onnx")
    options = ReplayOptions(bag, folder / "report", model=str(folder / "thumbnail.onnx"), threads=1, loop=SETTINGS)
    replay(options)
    return folder / "report" / "index.html"
