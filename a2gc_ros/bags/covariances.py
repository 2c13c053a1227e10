"""How sure odometry is of its poses, over time."""

from __future__ import annotations

from array import array
from bisect import bisect_right

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.content import Content
from a2gc_ros.bags.message_types import ODOMETRY, POSE_WITH_COVARIANCE
from a2gc_ros.bags.messages import stamp_of
from a2gc_ros.bags.storage import Topic


class PoseCovariances:
    """Covariances of poses, found by stamp; 150 bytes each, since an hour of odometry has hundreds of thousands."""

    def __init__(self) -> None:
        self._stamps_ns = array("q")
        self._values = array("f")

    def __len__(self) -> int:
        return len(self._stamps_ns)

    def add(self, stamp_ns: int, covariance: npt.ArrayLike) -> None:
        """Appends one, (36,), row by row; one that is not newer than the last, or not finite, is passed over."""
        with np.errstate(over="ignore"):
            values = np.asarray(covariance).astype(np.float32).reshape(36)
        if np.isfinite(values).all() and (not self._stamps_ns or stamp_ns > self._stamps_ns[-1]):
            self._stamps_ns.append(stamp_ns)
            self._values.extend(values.tolist())

    def at(self, stamp_ns: int) -> npt.NDArray[np.float64] | None:
        """Returns the newest at or before a stamp, (6, 6): x, y, z, rotation about X, Y, Z; None before the first."""
        index = bisect_right(self._stamps_ns, stamp_ns) - 1
        if index < 0:
            return None
        return np.array(self._values[36 * index : 36 * (index + 1)], dtype=np.float64).reshape(6, 6)


def covariances_of(content: Content, topic: Topic) -> PoseCovariances:
    """Reads the covariances of an Odometry or PoseWithCovarianceStamped topic; other topics have none."""
    found = PoseCovariances()
    if topic.type in (ODOMETRY, POSE_WITH_COVARIANCE):
        for raw, message in content.messages({topic.name}):
            found.add(stamp_of(message.header) or raw.stamp_ns, message.pose.covariance)
    return found
