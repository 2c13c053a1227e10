"""Where a picture was taken, and whether two keyframes show one place."""

from __future__ import annotations

import base64
import threading
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ConfigError
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.images.decode import decode_compressed
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.results import Verification
from a2gc_ros.loops.verification import GeometricVerifier, View
from a2gc_ros.loops.verification.views import view_of
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.placemap.thumbnails import encode_jpeg
from a2gc_ros.viz.album import kept_picture
from a2gc_ros.viz.matched_features import drawn

ANSWERS: Final = 5
"""Keyframes that a picture is compared with, as loop detection does by default."""

DECODE_SIZE: Final = (720, 1280)
"""(height, width) beyond which pixels of a picture are of no use."""

SHOWN_SIDE: Final = 480


class Finder:
    """Answers questions about one map, one at a time, by the extractor that made its descriptors.

    Raises:
        MapError: If the map was made by another extractor.
    """

    def __init__(self, place_map: PlaceMap, extractor: Extractor) -> None:
        place_map.require(extractor.spec.fingerprint, extractor.spec.name)
        place_map.prepare()
        self._map = place_map
        self._extractor = extractor
        self._verifier = GeometricVerifier(LoopConfig())
        self._one_at_a_time = threading.Lock()

    def locate(self, data: bytes, *, same_camera: bool = False) -> dict[str, Any]:
        """Looks for the place that a picture shows.

        Args:
            data: A JPEG or PNG file.
            same_camera: Whether the map's camera took it, so that its calibration holds, and there may be a pose.

        Returns:
            The picture as it is shown, and the keyframes most like it, those that agree in geometry first.

        Raises:
            ImageError: If it is no picture, or a damaged or too large one.
        """
        image = decode_compressed(data, max_size=DECODE_SIZE)
        with self._one_at_a_time:
            descriptor = self._extractor.extract_one(image)
            similarities, ids = self._map.search(descriptor[None], ANSWERS)
            query = self._verifier.view_of_frame(Frame(0, image, uncalibrated="nobody knows this camera"))
            found = []
            for similarity, keyframe_id in zip(similarities[0], ids[0], strict=True):
                if keyframe_id >= 0:
                    compared = self._compared(query, self._map.keyframe(int(keyframe_id)), same_camera=same_camera)
                    found.append(compared | {"similarity": float(similarity)})
        found.sort(key=lambda entry: (not entry["verified"], -entry["similarity"]))
        return {"picture": _shown(image), "answers": found}

    def verify(self, query_id: int, keyframe_id: int) -> dict[str, Any]:
        """Compares two keyframes of the map.

        Raises:
            MapError: If the map has no such keyframe.
            ConfigError: If one has neither features nor an image.
        """
        query, keyframe = self._map.keyframe(query_id), self._map.keyframe(keyframe_id)
        with self._one_at_a_time:
            view = self._verifier.view_of_keyframe(self._map, query.id)
            if view is None:
                raise ConfigError(f"keyframe {query_id} was stored without an image and without features")
            cosine = float(np.dot(*self._map.descriptors([query.id, keyframe.id])))
            return self._compared(view, keyframe) | {"similarity": cosine}

    def _compared(self, query: View, keyframe: Keyframe, *, same_camera: bool = False) -> dict[str, Any]:
        kept = self._verifier.view_of_keyframe(self._map, keyframe.id)
        if same_camera and kept is not None and kept.intrinsics is not None:
            query = view_of(query.features, kept.intrinsics)
        picture = kept_picture(self._map, keyframe.id)
        comparison = self._verifier.compare(query, kept)
        checked = self._verifier.locate(query, kept, comparison)
        session = next(s for s in self._map.sessions() if s.id == keyframe.session_id)
        return {
            "keyframe_id": keyframe.id,
            "stamp_ns": str(keyframe.stamp_ns),
            "session": session.name,
            "picture": None if picture is None else _shown(picture),
            "verified": checked.verified,
            "inliers": comparison.inliers,
            "matches": comparison.matches,
            "coverage": round(comparison.coverage, 3),
            "reason": checked.reason,
            "position_m": _position(keyframe, checked),
            "drawn": None if kept is None else drawn(query, kept, comparison).as_json(),
        }


def _position(keyframe: Keyframe, checked: Verification) -> list[float] | None:
    """Where the picture's camera stood in the session's odometry frame, metres; None where that is not known."""
    if keyframe.pose is None or keyframe.t_base_camera is None or checked.relative_pose is None:
        return None
    if not checked.scale_known:
        return None
    t_odom_camera = keyframe.pose @ keyframe.t_base_camera @ checked.relative_pose
    return [round(float(value), 2) for value in t_odom_camera[:3, 3]]


def _shown(image: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(encode_jpeg(image, SHOWN_SIDE)).decode("ascii")
