"""Fixtures every test may use."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# A shell starts background jobs with Ctrl-C ignored, and every process started from there inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings by others that lie beside the checkout on the developers' machines and nowhere else."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the recordings that lie beside a developer's checkout")
    return folder


@pytest.fixture(scope="session")
def thumbnail_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that needs no training: its descriptor is a thumbnail of the image."""
    from thumbnail_model import write_thumbnail_model

    path = tmp_path_factory.mktemp("model") / "thumbnail.onnx"
    write_thumbnail_model(path)
    return path
