"""What the geometric check knows of an image: of a frame, or of a keyframe that a map keeps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.errors import CalibrationError, ImageError, MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.calibration import same_shape
from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.loops.verification.camera import is_usable, normalized_points, parse_intrinsics
from a2gc_ros.loops.verification.feature_coding import decode
from a2gc_ros.loops.verification.feature_finder import FeatureFinder
from a2gc_ros.loops.verification.features import LocalFeatures, chosen
from a2gc_ros.placemap import Keyframe, PlaceMap

CACHED_BYTES: Final = 16 << 20
"""Of the views that are remembered, for each map that they are of, and once more; the newest one always. The demo's
second lap reads as few keyframes twice with 32 MiB as with all it wants, and 2 % more with 16."""

FEATURE_NOISE: Final = 0.3
"""Standard deviation of the place of a fine feature, pixels of the image that it was found in, before the matches tell
more."""

BASELINES_M: Final = (0.8, 2.5)
"""Least distances between a keyframe and the neighbors chosen on either side."""

REACH: Final = 12
"""Keyframes looked at on either side."""

MAX_TURN: Final = 0.6
"""Radians beyond which neighbors share too little of what they see."""


@dataclass(frozen=True, eq=False)
class View:
    """One image, as the geometric check sees it; equal to itself alone.

    Attributes:
        intrinsics: Calibration at the size of the image that the features were found in; None where unknown.
        rays: float64 (N, 2), the features' directions (x/z, y/z) in the optical frame; None without calibration.
        noise: float64 (N,), standard deviation of each direction as expected; empty without calibration.
        t_odom_camera: Pose of the camera in the session's odometry frame; None where odometry or the camera's pose on
            the robot is unknown.
        extrinsics_missing: Whether odometry is known and only the camera's pose on the robot is not.
        uncalibrated: Why there is no calibration; empty where there is.
        number: Of the keyframe in its map; 0 for a frame.
        neighbors: Gives views of keyframes of the same session nearby; they are looked up when they are needed.
    """

    features: LocalFeatures
    intrinsics: CameraIntrinsics | None = None
    rays: npt.NDArray[np.float64] | None = None
    noise: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    t_odom_camera: Pose | None = None
    extrinsics_missing: bool = False
    uncalibrated: str = ""
    number: int = 0
    neighbors: Callable[[], list[View]] = list


def view_of(
    features: LocalFeatures,
    intrinsics: CameraIntrinsics | None,
    t_odom_base: Pose | None = None,
    t_base_camera: Pose | None = None,
    uncalibrated: str = "",
) -> View:
    """Builds a view from features and what is known of their camera.

    A calibration that is none, or of an image of another shape, is left out. Features to which a calibration gives no
    direction are.

    Args:
        features: Of the image.
        intrinsics: Calibration of the image at any size.
        t_odom_base: Pose of the robot.
        t_base_camera: Pose of the camera on it.
        uncalibrated: Why there are no intrinsics, where that is known.
    """
    scaled, rays, t_odom_camera = None, None, None
    noise = np.empty(0)
    if intrinsics is None or not is_usable(intrinsics):
        uncalibrated = uncalibrated or "a camera is not calibrated"
    elif not same_shape((intrinsics.width, intrinsics.height), (features.width, features.height)):
        uncalibrated = (
            f"the calibration is of {intrinsics.width}x{intrinsics.height}, another shape than the image's "
            f"{features.width}x{features.height}"
        )
    else:
        scaled = intrinsics.scaled_to(features.width, features.height)
        rays = normalized_points(features.points, scaled)
        directed = np.asarray(np.isfinite(rays).all(axis=1))
        if not directed.all():
            features, rays = chosen(features, directed), rays[directed]
        spreads = np.ones(len(rays)) if features.spreads is None else features.spreads.astype(np.float64)
        noise = spreads * FEATURE_NOISE / float(scaled.matrix[0, 0])
        uncalibrated = ""
    if t_odom_base is not None and t_base_camera is not None:
        t_odom_camera = t_odom_base @ t_base_camera
    extrinsics_missing = t_odom_base is not None and t_base_camera is None
    return View(features, scaled, rays, noise, t_odom_camera, extrinsics_missing, uncalibrated)


class KeyframeViews:
    """Views of keyframes, with their neighbors; those used lately are remembered. Several threads may ask at once.

    Args:
        finder: Finds features where a map keeps none of its kind.
    """

    def __init__(self, finder: FeatureFinder) -> None:
        self._finder = finder
        self._cache: OrderedDict[tuple[str, str, int], View | None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, place_map: PlaceMap, keyframe_id: int) -> View | None:
        """Returns the view of a keyframe; None when there are neither features nor a readable image."""
        # Copies of one map share its identity, and may have grown apart since.
        key = (place_map.manifest.uuid, place_map.path, keyframe_id)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
            view = self._cache[key] = self._read(place_map, keyframe_id)
            self._bytes += _bytes(view)
            room = CACHED_BYTES * (1 + len({(uuid, path) for uuid, path, _ in self._cache}))
            while self._bytes > room and len(self._cache) > 1:
                self._bytes -= _bytes(self._cache.popitem(last=False)[1])
            return view

    def _read(self, place_map: PlaceMap, keyframe_id: int) -> View | None:
        try:
            features = self._features(place_map, keyframe_id)
            keyframe = place_map.keyframe(keyframe_id)
            intrinsics, problem = _calibration_of(keyframe)
        except (ImageError, MapError):
            return None
        if features is None:
            return None
        view = view_of(features, intrinsics, keyframe.pose, keyframe.t_base_camera, problem)
        return replace(view, number=keyframe_id, neighbors=lambda: self._neighbors(place_map, keyframe))

    def _features(self, place_map: PlaceMap, keyframe_id: int) -> LocalFeatures | None:
        blob = place_map.features(keyframe_id)
        features = None if blob is None else decode(blob, self._finder.kind)
        if features is not None:
            return features
        jpeg = place_map.image(keyframe_id)
        return None if jpeg is None else self._finder.of_jpeg(jpeg)

    def _neighbors(self, place_map: PlaceMap, keyframe: Keyframe) -> list[View]:
        views = (self.get(place_map, number) for number in neighbors_of(place_map, keyframe))
        return [view for view in views if view is not None]


def _bytes(view: View | None) -> int:
    """Returns what remembering a view takes, its key and objects roughly counted."""
    if view is None:
        return 1024
    features, rays = view.features, view.rays
    arrays = features.points, features.descriptors, features.spreads, features.inverse_depths, rays, view.noise
    return 4096 + sum(array.nbytes for array in arrays if array is not None)


def _calibration_of(keyframe: Keyframe) -> tuple[CameraIntrinsics | None, str]:
    """Returns a keyframe's calibration; or why it has none."""
    try:
        intrinsics = parse_intrinsics(keyframe.intrinsics_json)
    except CalibrationError as error:
        return None, f"the map's camera has no calibration that can be read: {error}"
    return intrinsics, "" if intrinsics is not None else "the map holds no calibration of its camera"


def neighbors_of(place_map: PlaceMap, keyframe: Keyframe) -> list[int]:
    """Chooses keyframes from which the surroundings of one can be triangulated.

    On either side along its session the first beyond each of ``BASELINES_M``: near ones share most of what is seen,
    farther ones know better how far away it is.
    """
    if keyframe.pose is None:
        return []
    chosen = []
    for side in (-1, 1):
        wanted = list(BASELINES_M)
        for step in range(1, REACH + 1):
            try:
                other = place_map.keyframe(keyframe.id + side * step)
            except MapError:
                break
            if other.session_id != keyframe.session_id or other.pose is None:
                break
            if geometry.rotation_angle(keyframe.pose, other.pose) > MAX_TURN:
                break
            if geometry.distance(keyframe.pose, other.pose) >= wanted[0]:
                chosen.append(other.id)
                del wanted[0]
                if not wanted:
                    break
    return chosen
