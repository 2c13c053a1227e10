"""A small textured town to drive through, and descriptors to recognize its places by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.geometry import Pose, inverse
from a2gc_ros.images.frame import CameraIntrinsics, Frame

WIDTH, HEIGHT, FOCAL = 400, 300, 260.0
BLOCK_M = 36.0
PANEL_M = 4.0

# Columns: where the optical frame's x (right), y (down), z (forward) point, seen from a robot (x forward, z up).
ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Panel:
    """A textured rectangle: its corners in the world, (4, 3), clockwise from top left, and its picture."""

    corners: npt.NDArray[np.float64]
    texture: npt.NDArray[np.uint8]


def picture(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draws a wall nobody has seen before."""
    coarse = rng.integers(30, 226, (6, 6, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_NEAREST)
    for _ in range(25):
        corner = rng.integers(0, 120, 2)
        size = rng.integers(3, 28, 2)
        color = [int(c) for c in rng.integers(0, 256, 3)]
        cv2.rectangle(image, corner.tolist(), (corner + size).tolist(), color, -1)
        cv2.circle(image, rng.integers(0, 128, 2).tolist(), int(rng.integers(2, 9)), color[::-1], -1)
    return np.asarray(image)


class Town:
    """One block of houses with a street round it; the robot drives along the street's middle.

    Walls stand in and out by up to a metre, so that no view is a single plane.
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.panels: list[Panel] = []
        for side in range(4):
            turn = np.array([[0, -1], [1, 0]])
            turned = np.linalg.matrix_power(turn, side)
            for outer in (True, False):
                offset = 5.0 if outer else -5.0
                begin, end = (-BLOCK_M / 2 - 8, BLOCK_M / 2 + 8) if outer else (-BLOCK_M / 2 + 6, BLOCK_M / 2 - 6)
                for x in np.arange(begin, end, PANEL_M):
                    y = -BLOCK_M / 2 - offset + rng.uniform(-1, 1)
                    ends = np.array([[x, y], [x + PANEL_M, y]]) @ turned.T
                    top, bottom = rng.uniform(4, 6), 0.0
                    (ax, ay), (bx, by) = ends if outer else ends[::-1]
                    corners = np.array([[bx, by, top], [ax, ay, top], [ax, ay, bottom], [bx, by, bottom]])
                    self.panels.append(Panel(corners, picture(rng)))

    def pose(self, way: float, *, lateral: float = 0.0, reverse: bool = False) -> Pose:
        """Returns ``t_world_robot`` after ``way`` metres along the street, turning smoothly at the corners."""
        side, along = divmod(way, BLOCK_M)
        x, y = along - BLOCK_M / 2, -BLOCK_M / 2 + lateral
        angle = np.pi / 2 * (int(side) % 4)
        blend = 3.0
        extra = 0.0
        if along < blend:
            extra = -np.pi / 4 * (1 - along / blend)
        elif along > BLOCK_M - blend:
            extra = np.pi / 4 * (1 - (BLOCK_M - along) / blend)
        c, s = np.cos(angle), np.sin(angle)
        yaw = angle + extra + (np.pi if reverse else 0.0)
        pose = np.eye(4)
        pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        pose[:2, 3] = [c * x - s * y, s * x + c * y]
        return pose

    def view(self, t_world_camera: Pose, light: float = 1.0) -> npt.NDArray[np.uint8]:
        """Renders what a camera sees, RGB uint8 (HEIGHT, WIDTH, 3)."""
        image = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
        to_camera = inverse(t_world_camera)
        visible = []
        for panel in self.panels:
            points = panel.corners @ to_camera[:3, :3].T + to_camera[:3, 3]
            if points[:, 2].min() > 0.3 and points[:, 2].min() < 60:
                visible.append((float(points[:, 2].mean()), points, panel))
        for _, points, panel in sorted(visible, key=lambda entry: -entry[0]):
            pixels = points[:, :2] / points[:, 2:] * FOCAL + [WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5]
            if pixels.max() < 0 or pixels[:, 0].min() > WIDTH or pixels[:, 0].max() < 0:
                continue
            # Shrunk to about its size in the image first: sampling a large texture sparsely would tie what is seen to
            # the camera's pixels instead of to the wall.
            across = np.linalg.norm(pixels - np.roll(pixels, -1, axis=0), axis=1)
            width, height = (int(np.clip(across[[i, i + 2]].max(), 2, 128)) for i in (0, 1))
            texture = cv2.resize(panel.texture, (width, height), interpolation=cv2.INTER_AREA)
            square = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32) - 0.5
            matrix = cv2.getPerspectiveTransform(square, pixels.astype(np.float32))
            cv2.warpPerspective(
                texture,
                matrix,
                (WIDTH, HEIGHT),
                dst=image,
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_TRANSPARENT,
            )
        return np.clip(image * light, 0, 255).astype(np.uint8)


INTRINSICS = CameraIntrinsics(
    WIDTH,
    HEIGHT,
    np.array([[FOCAL, 0, WIDTH / 2 - 0.5], [0, FOCAL, HEIGHT / 2 - 0.5], [0, 0, 1]]),
    np.zeros(5),
)


def gradients(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Describes an image by its gradients in 12 x 8 cells: crude, but enough for places seen twice alike."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (96, 64), interpolation=cv2.INTER_AREA).astype(float)
    dy, dx = np.gradient(small)
    strength = np.hypot(dx, dy)
    bins = ((np.arctan2(dy, dx) % np.pi) / np.pi * 8).astype(int) % 8
    cells = np.stack([np.where(bins == b, strength, 0).reshape(8, 8, 12, 8).sum(axis=(1, 3)) for b in range(8)], axis=2)
    cells /= np.linalg.norm(cells, axis=2, keepdims=True) + 5
    vector = (cells - cells.mean()).ravel()
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture(scope="session")
def describe() -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    return gradients


@pytest.fixture(scope="session")
def town() -> Town:
    return Town()


@pytest.fixture(scope="session")
def drive(town: Town) -> Callable[..., list[tuple[Frame, npt.NDArray[np.float32]]]]:
    """Drives along the street: frames every ``step`` metres and tenth of a second, with their descriptors."""

    def frames(
        begin: float,
        end: float,
        *,
        step: float = 1.0,
        lateral: float = 0.0,
        light: float = 1.0,
        start_s: float = 0.0,
        seconds_per_metre: float = 1.0,
        calibrated: bool = True,
        with_pose: bool = True,
    ) -> list[tuple[Frame, npt.NDArray[np.float32]]]:
        out = []
        for way in np.arange(begin, end, step):
            pose = town.pose(way, lateral=lateral)
            image = town.view(pose @ ROBOT_CAMERA, light)
            stamp = round((start_s + (way - begin) * seconds_per_metre) * 1e9)
            intrinsics = INTRINSICS if calibrated else None
            frame = Frame(stamp, image, "camera", intrinsics, pose if with_pose else None)
            out.append((frame, gradients(image)))
        return out

    return frames
