"""A real calibrated camera with distortion, on a drone that hardly moves: the place is sure, a motion is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2gc_ros.bags.calibration import read_calibration
from a2gc_ros.images.decode import read_image
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig
from a2gc_ros.loops.verification import GeometricVerifier


@pytest.mark.parametrize(("first", "second"), [(0, 8), (30, 36), (60, 70)])
def test_a_camera_that_hardly_moves_gets_a_place_and_no_direction(shared_data: Path, first: int, second: int) -> None:
    folder = shared_data / "euroc_micro"
    paths = sorted((folder / "cam0" / "data").iterdir())
    intrinsics = read_calibration(folder / "cam0" / "sensor.yaml")
    verifier = GeometricVerifier(LoopConfig())
    keyframe, query = (
        verifier.view_of_frame(Frame(int(paths[at].stem), read_image(paths[at]), intrinsics=intrinsics))
        for at in (first, second)
    )
    result = verifier.verify(query, keyframe)
    assert result.verified, result
    assert result.inliers > 0.9 * result.matches > 300
    assert result.relative_pose is None
    assert result.covariance is None
    assert result.reason.startswith("no pose")
