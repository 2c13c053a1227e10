"""Keyframes with their local features in a map, as the benchmarks of geometry and of speed store them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.loops.verification.views import View
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.thumbnails import intrinsics_json


def store(
    place_map: PlaceMap,
    session_id: int,
    frame: Frame,
    descriptor: npt.NDArray[np.float32],
    view: View,
    verifier: GeometricVerifier,
) -> int:
    """Stores a frame without its image and returns its id."""
    return place_map.add(
        session_id,
        frame.stamp_ns,
        descriptor,
        pose=frame.pose,
        intrinsics_json=intrinsics_json(frame.intrinsics),
        t_base_camera=frame.t_base_camera,
        features=verifier.encoded(view),
    )
