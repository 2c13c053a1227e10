"""The geometric check: do the local features of two images agree with one camera motion?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.images.ahead import in_order
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.local_features import FEATURES
from a2gc_ros.loops.results import Verification
from a2gc_ros.loops.verification import estimators
from a2gc_ros.loops.verification.estimators import PIXEL_TOLERANCE, Fit
from a2gc_ros.loops.verification.feature_coding import encode
from a2gc_ros.loops.verification.feature_finder import FeatureFinder
from a2gc_ros.loops.verification.features import coverage, match
from a2gc_ros.loops.verification.landmarks import LandmarkCache
from a2gc_ros.loops.verification.metric_pose import locate_query
from a2gc_ros.loops.verification.two_view import MIN_POINTS, refine
from a2gc_ros.loops.verification.views import KeyframeViews, View, view_of
from a2gc_ros.placemap import FeatureBlob, PlaceMap

PLANE_SHARE: Final = 0.95
"""If one homography explains this share of the inliers, what is seen is a plane: its motion has two readings."""

TOO_FEW_MATCHES: Final = "too few feature matches"
NOTHING_FITS: Final = "no geometry fits the feature matches"

_SEED: Final = 20251114


def _no_pairs() -> npt.NDArray[np.int64]:
    return np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class Comparison:
    """Matches of two images and the one two-view geometry that most of them agree with.

    The numbers are there whether or not the thresholds are met, as long as there are matches enough to fit anything.

    Attributes:
        pairs: int64 (M, 2), the feature matches: indices into the query's and the keyframe's features.
        agreeing: int64 (N, 2), those that agree with the fit.
        coverage: Share of either image over which they are spread, the lesser of the two, in [0, 1].
        fit: The geometry; None where nothing fits.
        reason: Which threshold was not met; empty when the images show the same place.
    """

    pairs: npt.NDArray[np.int64] = field(default_factory=_no_pairs)
    agreeing: npt.NDArray[np.int64] = field(default_factory=_no_pairs)
    coverage: float = 0.0
    fit: Fit | None = None
    reason: str = ""

    @property
    def matches(self) -> int:
        """How many feature matches there are."""
        return len(self.pairs)

    @property
    def inliers(self) -> int:
        """How many of them agree with the fit."""
        return len(self.agreeing)


class GeometricVerifier:
    """Checks candidates by their local features, in two stages.

    :meth:`compare` is cheap and says whether two images agree with one camera motion; :meth:`locate` finds the pose.

    With both cameras calibrated an essential matrix is fitted, and rotation and direction of the motion are refined;
    without, a fundamental matrix, and there is no pose. Where the map knows how far away the features are, by odometry
    between its keyframes or from depth images, the pose is found in metres.

    Args:
        config: Thresholds and kind of features.
        threads: How many candidates are compared beside one another. With several, one more measures landmarks ahead.
    """

    def __init__(self, config: LoopConfig, *, threads: int = 1) -> None:
        self._config = config
        self._ratio = FEATURES[config.features].ratio
        self._finder = FeatureFinder(config.features, config.max_features)
        self._keyframes = KeyframeViews(self._finder)
        self._landmarks = LandmarkCache()
        self._threads = min(threads, config.max_verifications)
        self._comparers = ThreadPoolExecutor(self._threads, "comparison") if threads > 1 else None
        self._measurer = ThreadPoolExecutor(1, "landmarks") if threads > 1 else None
        self._ahead: dict[tuple[str, int], Future[None]] = {}

    def view_of_frame(self, frame: Frame) -> View:
        """Finds the features of a query frame."""
        features = self._finder.find(frame)
        return view_of(features, frame.intrinsics, frame.pose, frame.t_base_camera, frame.uncalibrated)

    def view_of_keyframe(self, place_map: PlaceMap, keyframe_id: int) -> View | None:
        """Returns a keyframe's features as the map keeps them, else those of its image; None when it has neither."""
        return self._keyframes.get(place_map, keyframe_id)

    def encoded(self, view: View) -> FeatureBlob:
        """Returns a view's features as a map keeps them."""
        return encode(view.features, self._config.features)

    def compare(self, query: View, keyframe: View | None) -> Comparison:
        """Looks for what two views have in common: matches, and a robust fit of one two-view geometry. No pose."""
        if keyframe is None:
            return Comparison(reason="the keyframe has no readable image")
        pairs = match(query.features, keyframe.features, self._ratio)
        if len(pairs) < MIN_POINTS:
            return Comparison(pairs, reason=TOO_FEW_MATCHES)
        # MAGSAC draws samples, each thread its own: the same two images must always get the same answer.
        cv2.setRNGSeed(_SEED)
        fit = _two_views(query, keyframe, pairs, self._least_share(len(pairs)))
        if fit is None:
            return Comparison(pairs, reason=NOTHING_FITS if len(pairs) >= self._config.min_inliers else TOO_FEW_MATCHES)
        agreeing = pairs[fit.inliers]
        spread = _coverage(query, keyframe, agreeing)
        return Comparison(pairs, agreeing, spread, fit, self._refusal(len(pairs), len(agreeing), spread))

    def compare_each(self, pairs: Iterable[tuple[View, View | None]]) -> Iterator[Comparison]:
        """Compares queries with keyframes in their order, several at once.

        Pairs are drawn in the caller's thread, some before the first is compared.
        """
        if self._comparers is None:
            return (self.compare(*pair) for pair in pairs)
        return in_order(self._comparers, pairs, lambda pair: self.compare(*pair), steps=self._threads)

    def expect(self, keyframes: Iterable[tuple[PlaceMap, int]]) -> None:
        """Measures landmarks of keyframes meanwhile, at which poses are likely to be wanted next; changes no result.

        Those of the last call that are not begun yet are forgotten.
        """
        if self._measurer is None:
            return
        before, self._ahead = self._ahead, {}
        for place_map, number in keyframes:
            key = place_map.path, number
            if key not in self._ahead:
                known = before.pop(key, None)
                self._ahead[key] = known or self._measurer.submit(self._measure, place_map, number)
        for forgotten in before.values():
            forgotten.cancel()

    def _measure(self, place_map: PlaceMap, number: int) -> None:
        keyframe = self.view_of_keyframe(place_map, number)
        if keyframe is not None and keyframe.rays is not None:
            self._landmarks.of(keyframe)

    def locate(self, query: View, keyframe: View | None, comparison: Comparison) -> Verification:
        """Finds the pose of the query's camera at a keyframe, both as they were compared."""
        matches, fit = comparison.matches, comparison.fit
        if comparison.reason or fit is None or keyframe is None:
            return Verification(False, comparison.inliers, matches, reason=comparison.reason)
        if query.rays is None or keyframe.rays is None:
            why = query.uncalibrated or keyframe.uncalibrated
            return Verification(True, comparison.inliers, matches, reason=f"no pose: {why}")
        rays_a, rays_b = query.rays[comparison.pairs[:, 0]], keyframe.rays[comparison.pairs[:, 1]]
        motion = refine(rays_a, rays_b, fit.matrix, _tolerance(query, keyframe))
        # The refined motion is another one than the robust fit, and other matches agree with it.
        agreeing = comparison.pairs[motion.inliers]
        refusal = self._refusal(matches, len(agreeing), _coverage(query, keyframe, agreeing))
        if refusal:
            return Verification(False, len(agreeing), matches, reason=refusal)
        place = Verification(True, len(agreeing), matches)
        located = locate_query(query, keyframe, agreeing, motion.pose, self._landmarks.of)
        if located.elsewhere:
            return replace(place, verified=False, reason=located.reason)
        if located.pose is not None:
            return replace(place, relative_pose=located.pose, covariance=located.covariance, scale_known=True)
        if motion.pose is None:
            return replace(place, reason=f"no pose: {motion.reason}")
        points_a, points_b = query.features.points[agreeing[:, 0]], keyframe.features.points[agreeing[:, 1]]
        if estimators.homography_share(points_a, points_b) >= PLANE_SHARE:
            return replace(place, reason="no pose: all that was recognized lies in one plane")
        return replace(
            place, relative_pose=motion.pose, covariance=motion.covariance, reason=f"no scale: {located.reason}"
        )

    def verify(self, query: View, keyframe: View | None) -> Verification:
        """Compares two views and finds the pose between them; see :class:`Verification` for what comes out."""
        return self.locate(query, keyframe, self.compare(query, keyframe))

    def _least_share(self, matches: int) -> float:
        """Returns which share of so many matches must agree for a pair to be verified."""
        return min(max(self._config.min_inlier_ratio, self._config.min_inliers / matches), 1.0)

    def _refusal(self, matches: int, inliers: int, spread: float) -> str:
        config = self._config
        if matches < config.min_inliers:
            return TOO_FEW_MATCHES
        if inliers < config.min_inliers:
            return "too few inliers"
        if inliers < config.min_inlier_ratio * matches:
            return "too small a share of inliers"
        return "inliers cover too little of the image" if spread < config.min_coverage else ""


def _coverage(query: View, keyframe: View, agreeing: npt.NDArray[np.int64]) -> float:
    """Returns over how much of either image matches are spread, the lesser of the two."""
    return min(
        coverage(view.features.points[agreeing[:, side]], view.features.width, view.features.height)
        for side, view in enumerate((query, keyframe))
    )


def _two_views(query: View, keyframe: View, pairs: npt.NDArray[np.int64], least_share: float) -> Fit | None:
    """Fits the two-view geometry that the calibrations allow; of less than this share of the pairs it is of no use."""
    if query.rays is None or keyframe.rays is None:
        a, b = query.features.points[pairs[:, 0]], keyframe.features.points[pairs[:, 1]]
        return estimators.fundamental(a, b, least_share)
    rays_a, rays_b = query.rays[pairs[:, 0]], keyframe.rays[pairs[:, 1]]
    return estimators.essential(rays_a, rays_b, _tolerance(query, keyframe), least_share)


def _tolerance(query: View, keyframe: View) -> float:
    """Returns the distance of an inlier from its epipolar line for two calibrated views, in units of directions."""
    assert query.intrinsics is not None
    assert keyframe.intrinsics is not None
    return PIXEL_TOLERANCE / float(np.mean([camera.matrix[0, 0] for camera in (query.intrinsics, keyframe.intrinsics)]))
