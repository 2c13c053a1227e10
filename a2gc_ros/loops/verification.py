"""The geometric check: do the local features of two images agree with one camera motion?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ImageError, MapError
from a2gc_ros.images.decode import decode_compressed
from a2gc_ros.images.frame import CameraIntrinsics, Frame
from a2gc_ros.loops.camera import is_usable, normalised_points, parse_intrinsics
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.features import RATIO, FeatureExtractor, LocalFeatures, coverage, match
from a2gc_ros.loops.results import Verification
from a2gc_ros.loops.two_view import Motion, refine
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.thumbnails import shrink

PIXEL_TOLERANCE: Final = 1.5
"""Distance of an inlier from its epipolar line, pixels of the kept image."""

CONFIDENCE: Final = 0.9999
MAX_ITERATIONS: Final = 5000
PLANE_SHARE: Final = 0.95
"""If one homography explains this share of the inliers, what is seen is a plane: its motion has two readings."""

CACHED_IMAGES: Final = 256
_SEED: Final = 20251114


Points: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """What the check needs to know of one image."""

    features: LocalFeatures
    intrinsics: CameraIntrinsics | None


class GeometricVerifier:
    """Checks candidates by local features and MAGSAC (Barath, Matas, Noskova, CVPR 2019).

    With both cameras calibrated it fits an essential matrix and refines rotation and direction of the motion; without,
    a fundamental matrix, and there is no pose. Features of a map's images are kept for the latest ones used.

    Args:
        config: Thresholds and kind of features.
    """

    def __init__(self, config: LoopConfig) -> None:
        self._config = config
        self._extractor = FeatureExtractor(config.features, config.max_features)
        self._cache: OrderedDict[tuple[str, int], View | None] = OrderedDict()

    def view_of_frame(self, frame: Frame) -> View:
        """Finds the features of a query frame, at the size at which maps keep images."""
        image = shrink(frame.image)
        return View(self._extractor.extract(image), _scaled(frame.intrinsics, image))

    def view_of_keyframe(self, place_map: PlaceMap, keyframe_id: int) -> View | None:
        """Finds the features of a kept image; None when none was kept or it is damaged."""
        key = (place_map.manifest.uuid, keyframe_id)
        if key not in self._cache:
            self._cache[key] = self._view_of_keyframe(place_map, keyframe_id)
            if len(self._cache) > CACHED_IMAGES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    def verify(self, query: View, keyframe: View | None) -> Verification:
        """Compares two views; see :class:`Verification` for what comes out."""
        if keyframe is None:
            return Verification(False, reason="the keyframe has no readable image")
        pairs = match(query.features, keyframe.features, RATIO[self._config.features])
        if len(pairs) < self._config.min_inliers:
            return Verification(False, 0, len(pairs), reason="too few feature matches")
        # MAGSAC draws samples: the same two images must always get the same answer.
        cv2.setRNGSeed(_SEED)
        a = query.features.points[pairs[:, 0]]
        b = keyframe.features.points[pairs[:, 1]]
        if query.intrinsics is None or keyframe.intrinsics is None:
            fit = _fundamental(a, b)
        else:
            fit = _essential(a, b, query.intrinsics, keyframe.intrinsics)
        if fit is None:
            return Verification(False, 0, len(pairs), reason="no geometry fits the feature matches")
        count = int(fit.inliers.sum())
        reason = self._refusal(query, keyframe, a[fit.inliers], b[fit.inliers], len(pairs))
        if reason:
            return Verification(False, count, len(pairs), reason=reason)
        if fit.pose is None:
            return Verification(True, count, len(pairs), reason=f"no pose: {fit.reason}")
        if _homography_share(a[fit.inliers], b[fit.inliers]) >= PLANE_SHARE:
            return Verification(True, count, len(pairs), reason="no pose: all that was recognised lies in one plane")
        return Verification(True, count, len(pairs), fit.pose, fit.covariance)

    def _refusal(
        self,
        query: View,
        keyframe: View,
        a: Points,
        b: Points,
        matches: int,
    ) -> str:
        config = self._config
        if len(a) < config.min_inliers:
            return "too few inliers"
        if len(a) < config.min_inlier_ratio * matches:
            return "too small a share of inliers"
        spread = min(
            coverage(a, query.features.width, query.features.height),
            coverage(b, keyframe.features.width, keyframe.features.height),
        )
        return "inliers cover too little of the image" if spread < config.min_coverage else ""

    def _view_of_keyframe(self, place_map: PlaceMap, keyframe_id: int) -> View | None:
        jpeg = place_map.image(keyframe_id)
        if jpeg is None:
            return None
        try:
            image = decode_compressed(jpeg)
            intrinsics = parse_intrinsics(place_map.keyframe(keyframe_id).intrinsics_json)
        except (ImageError, MapError):
            return None
        return View(self._extractor.extract(image), _scaled(intrinsics, image))


def _scaled(intrinsics: CameraIntrinsics | None, image: npt.NDArray[np.uint8]) -> CameraIntrinsics | None:
    """Returns the calibration at the size of the image that is worked on, or None if it is unusable."""
    if intrinsics is None or not is_usable(intrinsics):
        return None
    return intrinsics.scaled_to(image.shape[1], image.shape[0])


def _fundamental(a: Points, b: Points) -> Motion | None:
    fit = _fitted(cv2.findFundamentalMat, a, b, cv2.USAC_MAGSAC, PIXEL_TOLERANCE, CONFIDENCE, MAX_ITERATIONS)
    return None if fit is None else Motion(None, None, fit[1], "a camera is not calibrated")


def _essential(a: Points, b: Points, camera_a: CameraIntrinsics, camera_b: CameraIntrinsics) -> Motion | None:
    rays_a, rays_b = normalised_points(a, camera_a), normalised_points(b, camera_b)
    tolerance = PIXEL_TOLERANCE / float(np.mean([camera_a.matrix[0, 0], camera_b.matrix[0, 0]]))
    fit = _fitted(
        cv2.findEssentialMat,
        rays_a,
        rays_b,
        np.eye(3),
        method=cv2.USAC_MAGSAC,
        prob=CONFIDENCE,
        threshold=tolerance,
        maxIters=MAX_ITERATIONS,
    )
    if fit is None or fit[0].shape != (3, 3):
        return None
    return refine(rays_a, rays_b, fit[0], tolerance)


def _homography_share(a: Points, b: Points) -> float:
    """Returns the share of point pairs that one homography explains."""
    fit = _fitted(
        cv2.findHomography,
        a,
        b,
        cv2.USAC_MAGSAC,
        PIXEL_TOLERANCE,
        maxIters=MAX_ITERATIONS,
        confidence=CONFIDENCE,
    )
    return 0.0 if fit is None else float(fit[1].mean())


def _fitted(
    estimator: Callable[..., Any], *arguments: Any, **options: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]] | None:
    """Calls one of OpenCV's robust estimators; returns the model and the inliers, or None where nothing fits."""
    try:
        model, mask = estimator(*arguments, **options)
    except cv2.error:
        # Some versions fail an internal assertion, instead of returning nothing, when no sample gives a model.
        return None
    if model is None or mask is None:
        return None
    return np.asarray(model), np.asarray(mask).ravel().astype(bool)
