"""Poses between which odometry and closures pull, kept at their best by iSAM2 as they come.

iSAM2: Kaess et al., The International Journal of Robotics Research 31(2), 2012; the implementation is GTSAM's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import BackendError
from a2gc_ros.geometry import Pose
from a2gc_ros.slam.noise import Matrix
from a2gc_ros.system.installation import needs

try:
    import gtsam
except ImportError as error:
    raise BackendError(needs("the pose graph", "GTSAM", "slam")) from error

KERNEL: Final = 1.0
"""Width of the Cauchy kernel in standard deviations."""

FITTING: Final = 22.5
"""Squared error, or rise of the graph's squared error, that one closure may cause: 99.9 % of chi-square with six
degrees of freedom."""

SETTLED: Final = 1e-3
MOST_UPDATES: Final = 15
_RELINEARIZE: Final = 0.01


@dataclass(frozen=True)
class Closure:
    """A measurement between two poses of the graph.

    Attributes:
        earlier: Number of the one pose.
        later: Number of the other.
        measured: ``t_earlier_later``.
        covariance: (6, 6) in the graph's tangent.
    """

    earlier: int
    later: int
    measured: Pose
    covariance: Matrix


class PoseGraph:
    """A chain of poses with closures across it.

    Closures have a Cauchy kernel, so a false one pulls with a small force, and less the farther it is from the rest.
    The same kernel would let a *true* one that comes after much drift pull as weakly: it is far off, too. So a closure
    is first added without a kernel. If everything else gives way to it at no more cost than its noise explains, the
    graph stays where it went, and the kernel is put on there; if not, the closure contradicts the rest, and is left to
    its kernel, until others speak for it.

    Args:
        first: Pose of number 0 in the map frame.
    """

    def __init__(self, first: Pose) -> None:
        parameters = gtsam.ISAM2Params()
        parameters.relinearizeSkip = 1
        parameters.setRelinearizeThreshold(_RELINEARIZE)
        # Cholesky squares the ratio of what is known best to what is known least: a robot that stays in its plane and
        # lost its odometry in it once has a ratio that 64 bits do not hold.
        parameters.setFactorization("QR")
        self._isam: Any = gtsam.ISAM2(parameters)
        self._closures: list[Closure] = []
        self._count = 1
        prior = gtsam.noiseModel.Isotropic.Sigma(6, 1e-4)
        self._update([gtsam.PriorFactorPose3(0, gtsam.Pose3(first), prior)], {0: first})

    def __len__(self) -> int:
        return self._count

    @property
    def closures(self) -> list[Closure]:
        """All closures so far."""
        return list(self._closures)

    def add_pose(self, motion: Pose, covariance: Matrix) -> int:
        """Appends a pose, ``t_last_new`` with its covariance, (6, 6) in the graph's tangent; returns its number."""
        number = self._count
        noise = gtsam.noiseModel.Gaussian.Covariance(covariance)
        factor = gtsam.BetweenFactorPose3(number - 1, number, gtsam.Pose3(motion), noise)
        self._update([factor], {number: self.pose(number - 1) @ motion})
        self._count += 1
        return number

    def add_closure(self, closure: Closure) -> bool:
        """Adds a closure and brings the graph to its new best; says whether the closure agrees with the rest.

        One that does not stays in, without weight for now.
        """
        self._closures.append(closure)
        plain, robust = _factor(closure, robust=False), _factor(closure, robust=True)
        if 2 * plain.error(self._isam.calculateEstimate()) <= FITTING:
            self._update([robust])
            self._settle()
            return True
        before = self._squared_error()
        index = self._update([plain])
        self._settle()
        fits = self._squared_error() - before <= FITTING
        self._update([robust], remove=[index])
        self._settle()
        return fits

    def pose(self, number: int) -> Pose:
        """Returns one pose in the map frame."""
        return np.asarray(self._isam.calculateEstimatePose3(number).matrix())

    def poses(self) -> npt.NDArray[np.float64]:
        """Returns all poses in the map frame, float64 (N, 4, 4)."""
        estimate = self._isam.calculateEstimate()
        return np.stack([estimate.atPose3(number).matrix() for number in range(self._count)])

    def covariance(self, number: int) -> Matrix:
        """Returns the covariance of a pose, (6, 6), in the graph's tangent."""
        return np.asarray(self._isam.marginalCovariance(number))

    def agreeing(self) -> npt.NDArray[np.bool_]:
        """Tells for each closure whether the graph as it is now agrees with it, (N,)."""
        estimate = self._isam.calculateEstimate()
        squares = [2 * _factor(closure, robust=False).error(estimate) for closure in self._closures]
        return np.array(squares, dtype=np.float64) <= FITTING

    def factors(self) -> Any:
        """Returns the graph as GTSAM has it, for other optimizers."""
        return self._isam.getFactorsUnsafe()

    def _update(self, factors: list[Any], poses: dict[int, Pose] | None = None, remove: list[int] | None = None) -> int:
        """Runs one step of iSAM2; returns the index of the last new factor."""
        graph, values = gtsam.NonlinearFactorGraph(), gtsam.Values()
        for factor in factors:
            graph.add(factor)
        for number, pose in (poses or {}).items():
            values.insert(number, gtsam.Pose3(pose))
        try:
            result = self._isam.update(graph, values, remove or [])
        except RuntimeError as error:
            said = " ".join(str(error).split())
            raise BackendError(f"GTSAM could not solve the pose graph, begin a new one: {said[:120]}") from error
        return int(result.getNewFactorsIndices()[-1])

    def _settle(self) -> None:
        """Steps until nothing moves: a step of iSAM2 is one of Gauss-Newton, and a closed loop takes several."""
        last = self._isam.calculateEstimate()
        for _ in range(MOST_UPDATES):
            self._isam.update()
            now = self._isam.calculateEstimate()
            if last.localCoordinates(now).norm() <= SETTLED * np.sqrt(self._count):
                return
            last = now

    def _squared_error(self) -> float:
        return 2 * float(self.factors().error(self._isam.calculateEstimate()))


def _factor(closure: Closure, *, robust: bool) -> Any:
    noise: Any = gtsam.noiseModel.Gaussian.Covariance(closure.covariance)
    if robust:
        noise = gtsam.noiseModel.Robust.Create(gtsam.noiseModel.mEstimator.Cauchy.Create(KERNEL), noise)
    return gtsam.BetweenFactorPose3(closure.earlier, closure.later, gtsam.Pose3(closure.measured), noise)
