"""Small data sets in their exact layouts, and a recipe that trains in seconds."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drives import drive_round


def write_image(path: Path, seed: int, size: tuple[int, int] = (24, 32)) -> None:
    """Writes coarse random colors, the same for the same seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))


@pytest.fixture(name="write_image")
def image_writer() -> Callable[..., None]:
    """The function that writes an image of random colors."""
    return write_image


@pytest.fixture
def place_folders(tmp_path: Path) -> Path:
    """north/hall and north/yard and south/hall with three images each."""
    root = tmp_path / "places"
    for number, place in enumerate(("north/hall", "north/yard", "south/hall")):
        for view in range(3):
            write_image(root / place / f"{view}.png", 10 * number + view)
    return root


@pytest.fixture
def walk_csv(tmp_path: Path) -> Path:
    """Two clips of ten images, one a second, half a metre apart; the second clip walks back."""
    file = tmp_path / "walk.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "session", "time", "x", "y", "yaw"])
        for clip, session in enumerate(("out", "back")):
            for second in range(10):
                name = f"{session}/{second}.png"
                write_image(tmp_path / name, 100 * clip + second)
                x = 0.5 * second if clip == 0 else 4.5 - 0.5 * second
                writer.writerow([name, session, second, x, 0.1 * clip, clip * np.pi])
    return file


@pytest.fixture
def tiny_recipe() -> dict[str, Any]:
    """A recipe, as plain values, of a network and images so small that an epoch takes a second."""
    rooms = {"kind": "generated", "views": 3, "height": 32, "width": 48}
    return {
        "name": "tiny",
        "seed": 3,
        "model": {
            "name": "a2gc-resnet18",
            "image_size": [32, 48],
            "options": {"last_stage": 1, "clusters": 2, "cluster_dim": 8, "token_dim": 8, "hidden": None},
        },
        "train": [{**rooms, "seed": 1, "places": 8}],
        "validation": [{"name": "rooms", "source": {**rooms, "seed": 2, "places": 4}}],
        "sampling": {"places_per_batch": 4, "images_per_place": 2},
        "optimizer": {"lr": 1e-3, "total_iters": 100},
        "trainer": {"epochs": 1, "accelerator": "cpu", "devices": 1, "workers": 0, "log_every": 1},
    }


@pytest.fixture(name="drive_round")
def round_driver() -> Callable[..., Path]:
    """The function that records a round through a room."""
    return drive_round


@pytest.fixture(scope="session")
def two_rounds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two rounds through the same room: the second further out, and darker."""
    folder = tmp_path_factory.mktemp("rounds")
    return [drive_round(folder / "day.mcap"), drive_round(folder / "dusk.mcap", radius=1.7, light=0.6)]
