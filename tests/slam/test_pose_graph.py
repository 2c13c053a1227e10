from __future__ import annotations

import gtsam
import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.slam.noise import OdometryNoise
from a2gc_ros.slam.pose_graph import Closure, PoseGraph

TIGHT = np.diag(np.repeat([0.01, 0.1], 3) ** 2)


def graph_of(drive) -> PoseGraph:
    graph = PoseGraph(drive.odometry[0])
    for before, after in zip(drive.odometry[:-1], drive.odometry[1:], strict=True):
        motion = geometry.relative(before, after)
        graph.add_pose(motion, OdometryNoise().covariance(motion))
    return graph


def true_closure(drive, earlier: int, later: int) -> Closure:
    return Closure(earlier, later, geometry.relative(drive.truth[earlier], drive.truth[later]), TIGHT)


def error(drive, graph: PoseGraph) -> float:
    """Root mean square distance from the truth; both begin at the same pose."""
    places = graph.poses()[:, :3, 3] - np.stack(drive.truth)[:, :3, 3]
    return float(np.sqrt((places**2).sum(axis=1).mean()))


def test_without_closures_the_graph_is_the_odometry(two_laps):
    np.testing.assert_allclose(graph_of(two_laps).poses(), np.stack(two_laps.odometry), atol=1e-9)


def test_one_closure_after_much_drift_closes_the_loop(two_laps):
    graph = graph_of(two_laps)
    last = len(graph) - 1
    drift = geometry.distance(graph.pose(last), two_laps.truth[last])
    assert drift > 3
    assert graph.add_closure(true_closure(two_laps, 0, last))
    assert geometry.distance(graph.pose(last), two_laps.truth[last]) < 0.3
    assert graph.agreeing().tolist() == [True]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["first", "last"])
@pytest.mark.parametrize("many", [1, 8])
def test_false_closures_do_not_ruin_the_map(two_laps, when, many):
    rng = np.random.default_rng(many)
    true = [true_closure(two_laps, step, step + 80) for step in range(0, 80, 4)]
    false = []
    while len(false) < many:
        earlier, later = sorted(int(k) for k in rng.integers(0, 160, 2))
        if later - earlier > 20 and geometry.distance(two_laps.truth[earlier], two_laps.truth[later]) > 8:
            false.append(Closure(earlier, later, np.eye(4), TIGHT))
    clean, dirty = graph_of(two_laps), graph_of(two_laps)
    for closure in true:
        clean.add_closure(closure)
    for closure in [*false, *true] if when == "first" else [*true, *false]:
        dirty.add_closure(closure)
    assert error(two_laps, clean) < 1.5
    assert error(two_laps, dirty) < 1.2 * error(two_laps, clean) + 0.1
    agreeing = dirty.agreeing()
    assert agreeing[: len(false)].sum() == 0 if when == "first" else agreeing[len(true) :].sum() == 0


def test_steps_of_isam2_end_where_a_batch_optimiser_ends(two_laps):
    graph = graph_of(two_laps)
    for step in range(0, 80, 8):
        graph.add_closure(true_closure(two_laps, step, step + 80))
    graph.add_closure(Closure(10, 50, np.eye(4), TIGHT))
    initial = gtsam.Values()
    for number, pose in enumerate(graph.poses()):
        nudged = pose @ pose_from_xy_yaw(0.05 * np.sin(number), 0.05 * np.cos(number), 0.01)
        initial.insert(number, gtsam.Pose3(nudged))
    batch = gtsam.LevenbergMarquardtOptimizer(graph.factors(), initial).optimize()
    expected = np.stack([batch.atPose3(number).matrix() for number in range(len(graph))])
    np.testing.assert_allclose(graph.poses(), expected, atol=0.02)


def test_a_closure_makes_a_pose_more_certain(two_laps):
    graph = graph_of(two_laps)
    before = np.trace(graph.covariance(160))
    graph.add_closure(true_closure(two_laps, 0, 160))
    assert np.trace(graph.covariance(160)) < 0.1 * before


def test_without_gtsam_one_sentence_says_what_to_install():
    import subprocess
    import sys

    code = "import sys; sys.modules['gtsam'] = None; import a2gc_ros.slam.pose_graph"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "BackendError: the pose graph needs GTSAM" in result.stderr
    assert "install it with: pip install 'gtsam>=" in result.stderr
