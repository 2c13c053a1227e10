"""The Sampson error of matched directions and its derivatives (Hartley and Zisserman, section 11.4.3).

One linearisation serves every refinement from two views. It is the inner loop of the geometric check, so it is written
as one product of matrices: with the nine products of coordinates of each match as a row, the error is linear in the
entries of the essential matrix, and so is, at a given motion, half the change of the squared length it is divided by.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import skew

Array: TypeAlias = npt.NDArray[np.float64]


_TURNS: Final = np.stack([skew(axis) for axis in np.eye(3, dtype=np.float64)])
"""Derivatives of a rotation by small turns about the axes."""


def homogeneous(points: Array) -> Array:
    """Returns (x, y, 1) of points (N, 2)."""
    return np.hstack([points, np.ones((len(points), 1))])


class Matches:
    """Matched directions of two views, ready to be compared with one motion after another.

    Args:
        a: (x/z, y/z, 1) in one view, float64 (N, 3).
        b: Their matches in the other.
    """

    def __init__(self, a: Array, b: Array) -> None:
        self.a, self.b = a, b
        self._products = (b[:, :, None] * a[:, None, :]).reshape(-1, 9)

    def __len__(self) -> int:
        return len(self.a)

    def errors(self, essential: Array) -> Array:
        """Returns the signed Sampson error of each match, (N,), in the units of directions."""
        return self._products @ essential.ravel() / self._lengths(essential)[0]

    def linearized(self, rotation: Array, translation: Array) -> tuple[Array, Array]:
        """Returns the errors of a motion ``t_b_a``, (N,), and their derivatives, (N, 6).

        The derivatives are by the translation, then by a small turn that is applied after the rotation.
        """
        cross = skew(translation)
        essential = cross @ rotation
        turned = _TURNS @ rotation
        changes = np.concatenate([turned, cross @ turned]).reshape(6, 9).T
        lengths, lines_b, lines_a = self._lengths(essential)
        errors = self._products @ essential.ravel() / lengths
        stretch = np.zeros((len(self), 3, 3))
        stretch[:, :2] = lines_b[:, :, None] * self.a[:, None, :]
        stretch[:, :, :2] += self.b[:, :, None] * lines_a[:, None, :]
        share = (errors / lengths)[:, None]
        return errors, (self._products - share * stretch.reshape(-1, 9)) @ changes / lengths[:, None]

    def _lengths(self, essential: Array) -> tuple[Array, Array, Array]:
        """Returns the divisor of each error, and the first two coordinates of both epipolar lines."""
        lines_b, lines_a = self.a @ essential[:2].T, self.b @ essential[:, :2]
        squares = (lines_b**2).sum(axis=1) + (lines_a**2).sum(axis=1)
        return np.sqrt(np.maximum(squares, 1e-24)), lines_b, lines_a
