"""Points in space, seen by cameras with exactly known poses and noise of a known size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.geometry import Pose
from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.loops.verification.features import LocalFeatures
from a2gc_ros.loops.verification.views import View, view_of

Array = npt.NDArray[np.float64]

FOCAL, WIDTH, HEIGHT = 320.0, 640, 480
CAMERA = CameraIntrinsics(WIDTH, HEIGHT, np.array([[FOCAL, 0, 319.5], [0, FOCAL, 239.5], [0, 0, 1]]), np.zeros(5))
NOISE_PX = 0.3


def moved(translation: tuple[float, ...], rotation: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Pose:
    """Returns a pose from a translation and a rotation vector."""
    pose = np.eye(4)
    pose[:3, 3] = translation
    pose[:3, :3] = cv2.Rodrigues(np.array(rotation))[0]
    return pose


def error(found: Pose, truth: Pose) -> Array:
    """Returns the error of a pose in the order and the axes of its covariance, (6,)."""
    turned = found[:3, :3] @ truth[:3, :3].T
    return np.concatenate([found[:3, 3] - truth[:3, 3], cv2.Rodrigues(turned)[0].ravel()])


@dataclass(frozen=True)
class Cloud:
    """Points with a descriptor each.

    Attributes:
        points: float64 (N, 3), in the world, which is also odometry's frame.
        descriptors: float32 (N, 64), of unit length.
    """

    points: Array
    descriptors: npt.NDArray[np.float32]

    def seen(self, t_world_camera: Pose) -> Array:
        """Returns the pixels of all points, (N, 2)."""
        local = (self.points - t_world_camera[:3, 3]) @ t_world_camera[:3, :3]
        return local[:, :2] / local[:, 2:] * FOCAL + [319.5, 239.5]

    def view(
        self,
        t_world_camera: Pose,
        rng: np.random.Generator,
        *,
        noise_px: float = NOISE_PX,
        odometry: Pose | None = None,
        mounted: bool = True,
        inverse_depths: npt.NDArray[np.float32] | None = None,
    ) -> View:
        """Returns what a camera sees, its pose by odometry as said or exact."""
        pixels = self.seen(t_world_camera) + rng.normal(0, noise_px, (len(self.points), 2))
        features = LocalFeatures(pixels, self.descriptors, WIDTH, HEIGHT, inverse_depths=inverse_depths)
        pose = t_world_camera if odometry is None else odometry
        return view_of(features, CAMERA, pose, np.eye(4) if mounted else None)

    def keyframe(self, t_world_camera: Pose, neighbors: list[View], rng: np.random.Generator, **options) -> View:
        """Returns a view that has neighbors."""
        return replace(self.view(t_world_camera, rng, **options), neighbors=lambda: neighbors)


def cloud_of(points: Array, rng: np.random.Generator) -> Cloud:
    descriptors = rng.standard_normal((len(points), 64)).astype(np.float32)
    return Cloud(points, descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True))


@pytest.fixture(scope="session")
def street() -> Callable[[np.random.Generator], Cloud]:
    """A street: points on both sides and ahead, 4 to 40 m away."""

    def make(rng: np.random.Generator, count: int = 160) -> Cloud:
        sides = rng.choice([-1.0, 1.0], count)
        depth = rng.uniform(5, 40, count)
        across = np.where(rng.random(count) < 0.7, sides * rng.uniform(3, 7, count), rng.uniform(-7, 7, count))
        return cloud_of(np.stack([across, rng.uniform(-4, 1.5, count), depth], axis=1), rng)

    return make
