"""The geometric check: do the local features of two images agree with one camera motion?"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.results import Verification
from a2gc_ros.loops.verification import estimators
from a2gc_ros.loops.verification.estimators import PIXEL_TOLERANCE
from a2gc_ros.loops.verification.feature_coding import encode
from a2gc_ros.loops.verification.features import RATIO, coverage, match
from a2gc_ros.loops.verification.metric_pose import locate_query
from a2gc_ros.loops.verification.two_view import Motion
from a2gc_ros.loops.verification.views import FeatureFinder, KeyframeViews, View, view_of
from a2gc_ros.placemap import FeatureBlob, PlaceMap

PLANE_SHARE: Final = 0.95
"""If one homography explains this share of the inliers, what is seen is a plane: its motion has two readings."""

_SEED: Final = 20251114

Points: TypeAlias = npt.NDArray[np.float64]


class GeometricVerifier:
    """Checks candidates by their local features.

    With both cameras calibrated an essential matrix is fitted, and rotation and direction of the motion are refined;
    without, a fundamental matrix, and there is no pose. Where the map knows how far away the features are, by odometry
    between its keyframes or from depth images, the pose is found in metres.

    Args:
        config: Thresholds and kind of features.
    """

    def __init__(self, config: LoopConfig) -> None:
        self._config = config
        self._finder = FeatureFinder(config.features, config.max_features)
        self._keyframes = KeyframeViews(self._finder)

    def view_of_frame(self, frame: Frame) -> View:
        """Finds the features of a query frame, at the size at which maps keep images."""
        return view_of(self._finder.find(frame), frame.intrinsics, frame.pose, frame.t_base_camera)

    def view_of_keyframe(self, place_map: PlaceMap, keyframe_id: int) -> View | None:
        """Returns a keyframe's features as the map keeps them, else those of its image; None when it has neither."""
        return self._keyframes.get(place_map, keyframe_id)

    def encoded(self, view: View) -> FeatureBlob:
        """Returns a view's features as a map keeps them."""
        return encode(view.features, self._config.features)

    def verify(self, query: View, keyframe: View | None) -> Verification:
        """Compares two views; see :class:`Verification` for what comes out."""
        if keyframe is None:
            return Verification(False, reason="the keyframe has no readable image")
        pairs = match(query.features, keyframe.features, RATIO[self._config.features])
        if len(pairs) < self._config.min_inliers:
            return Verification(False, 0, len(pairs), reason="too few feature matches")
        # MAGSAC draws samples: the same two images must always get the same answer.
        cv2.setRNGSeed(_SEED)
        fit = _two_views(query, keyframe, pairs)
        if fit is None:
            return Verification(False, 0, len(pairs), reason="no geometry fits the feature matches")
        agreeing = pairs[fit.inliers]
        refusal = self._refusal(query, keyframe, agreeing, len(pairs))
        if refusal:
            return Verification(False, len(agreeing), len(pairs), reason=refusal)
        place = Verification(True, len(agreeing), len(pairs))
        if query.rays is None or keyframe.rays is None:
            return replace(place, reason=f"no pose: {fit.reason}")
        located = locate_query(query, keyframe, agreeing, fit.pose)
        if located.elsewhere:
            return replace(place, verified=False, reason=located.reason)
        if located.pose is not None:
            return replace(
                place, relative_pose=located.pose, covariance=located.covariance, scale_known=True, reason=""
            )
        if fit.pose is None:
            return replace(place, reason=f"no pose: {fit.reason}")
        points_a, points_b = query.features.points[agreeing[:, 0]], keyframe.features.points[agreeing[:, 1]]
        if estimators.homography_share(points_a, points_b) >= PLANE_SHARE:
            return replace(place, reason="no pose: all that was recognised lies in one plane")
        return replace(place, relative_pose=fit.pose, covariance=fit.covariance, reason=f"no scale: {located.reason}")

    def _refusal(self, query: View, keyframe: View, agreeing: npt.NDArray[np.int64], matches: int) -> str:
        config = self._config
        if len(agreeing) < config.min_inliers:
            return "too few inliers"
        if len(agreeing) < config.min_inlier_ratio * matches:
            return "too small a share of inliers"
        spread = min(
            coverage(view.features.points[agreeing[:, side]], view.features.width, view.features.height)
            for side, view in enumerate((query, keyframe))
        )
        return "inliers cover too little of the image" if spread < config.min_coverage else ""


def _two_views(query: View, keyframe: View, pairs: npt.NDArray[np.int64]) -> Motion | None:
    """Fits the two-view geometry that the calibrations allow."""
    if query.rays is None or keyframe.rays is None or query.intrinsics is None or keyframe.intrinsics is None:
        a, b = query.features.points[pairs[:, 0]], keyframe.features.points[pairs[:, 1]]
        return estimators.fundamental(a, b)
    tolerance = PIXEL_TOLERANCE / estimators.focal_length(query.intrinsics, keyframe.intrinsics)
    return estimators.essential(query.rays[pairs[:, 0]], keyframe.rays[pairs[:, 1]], tolerance)
