"""Names and coefficients of lens models, as ``sensor_msgs/CameraInfo`` and calibration files have them.

Three families are understood, each in OpenCV's order of coefficients:

* ``plumb_bob``: k1, k2, p1, p2 and, where there are five, k3 (Brown).
* ``rational_polynomial``: k1, k2, p1, p2, k3 to k6; where there are twelve, s1 to s4 of a thin prism; where there are
  fourteen, the tilt of the sensor.
* ``equidistant``: k1 to k4 of Kannala and Brandt's fisheye model.

ROS's own ``image_geometry`` reads ``plumb_bob`` and ``rational_polynomial`` by the number of coefficients alone, so
that is done here too.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import CalibrationError

Coefficients: TypeAlias = npt.NDArray[np.float64]

PLUMB_BOB: Final = "plumb_bob"
RATIONAL: Final = "rational_polynomial"
EQUIDISTANT: Final = "equidistant"

_FAMILIES: Final = {
    PLUMB_BOB: (PLUMB_BOB, "radtan", "radial_tangential", "brown_conrady", "brown"),
    RATIONAL: (RATIONAL, "rational", "thin_prism", "full_opencv"),
    EQUIDISTANT: (EQUIDISTANT, "equi", "fisheye", "opencv_fisheye", "kannala_brandt", "kannala_brandt4", "kb4"),
    "": ("", "none", "pinhole", "perspective"),
}
_FAMILY_OF: Final = {name: family for family, names in _FAMILIES.items() for name in names}

LENGTHS: Final = (0, 4, 5, 8, 12, 14)
"""Numbers of coefficients that OpenCV's models have."""


def lens_model(name: str, coefficients: npt.ArrayLike) -> tuple[str, Coefficients]:
    """Tells a lens model from its name and the number of its coefficients.

    Args:
        name: As the camera's driver or a file writes it, in any case, with ``-`` or blanks for ``_``.
        coefficients: (n,), the distortion.

    Returns:
        ``plumb_bob``, ``rational_polynomial`` or ``equidistant``, and the coefficients that this model has.

    Raises:
        CalibrationError: If the two do not name one model.
    """
    values = np.asarray(coefficients, dtype=np.float64).ravel()
    family = _FAMILY_OF.get(name.strip().lower().replace("-", "_").replace(" ", "_"))
    if family is None:
        known = ", ".join(repr(other) for other in _FAMILY_OF if other)
        raise CalibrationError(f"the distortion model {name[:40]!r} of camera_info is not known; known are {known}")
    if not np.isfinite(values).all():
        raise CalibrationError("the distortion coefficients of camera_info are not finite; calibrate the camera again")
    if len(values) not in LENGTHS:
        lengths = ", ".join(map(str, LENGTHS))
        raise CalibrationError(
            f"camera_info has {len(values)} distortion coefficients, and models have {lengths}; "
            "fill D as the calibration gave it, or leave it empty for a lens without distortion"
        )
    if family == EQUIDISTANT:
        return EQUIDISTANT, _of_fisheye(name, values)
    if not values.any():
        return PLUMB_BOB, values[:5]
    if not family:
        raise CalibrationError(
            f"camera_info has {len(values)} distortion coefficients and does not say of which model; "
            "name plumb_bob, rational_polynomial or equidistant in distortion_model"
        )
    return (PLUMB_BOB if len(values) <= 5 else RATIONAL), values


def _of_fisheye(name: str, values: Coefficients) -> Coefficients:
    if not len(values):
        # Without coefficients some read this as a lens without distortion and some as a perfect fisheye.
        raise CalibrationError(f"{name} of camera_info has no coefficients; give the four of the calibration in D")
    if values[4:].any():
        raise CalibrationError(f"{name} of camera_info has four distortion coefficients and {len(values)} are given")
    return values[:4]
