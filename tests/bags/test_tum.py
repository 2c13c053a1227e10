from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2gc_ros.bags.covariances import PoseCovariances
from a2gc_ros.bags.pose_table import read_trajectory
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.bags.tum import write_tum
from a2gc_ros.errors import BagError

numbers = st.floats(-1e4, 1e4)
quaternions = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)
samples = st.tuples(st.integers(0, 2 * 10**18), st.tuples(numbers, numbers, numbers), quaternions)


@given(st.lists(samples, min_size=1, max_size=20))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again(tmp_path, rows):
    trajectory = Trajectory.from_samples(*zip(*rows, strict=True))
    path = tmp_path / "folder" / "a.tum"
    write_tum(path, trajectory)
    again = read_trajectory(path)
    np.testing.assert_array_equal(again.stamps_ns, trajectory.stamps_ns)
    np.testing.assert_allclose(again.positions, trajectory.positions, atol=1e-9)
    # The same rotation: a quaternion and its negative are one.
    poses = [[t.pose(i) for i in range(len(t))] for t in (again, trajectory)]
    np.testing.assert_allclose(poses[0], poses[1], atol=1e-7)


def test_a_path_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="cannot be written"):
        write_tum(tmp_path / "file" / "a.tum", Trajectory.from_poses([(0, np.eye(4))]))


def test_the_newest_covariance_before_a_stamp_counts():
    found = PoseCovariances()
    assert found.at(5) is None
    for stamp in (10, 20, 15, 30):
        found.add(stamp, stamp * np.eye(6))
    found.add(40, np.full(36, np.nan))
    assert len(found) == 3
    assert found.at(9) is None
    for stamp, expected in ((10, 10), (19, 10), (25, 20), (10**6, 30)):
        np.testing.assert_array_equal(found.at(stamp), expected * np.eye(6))
