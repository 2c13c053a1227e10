"""The pose graph of two robots: what an optimizer makes of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gtsam
import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_ros.loops.linking import Link
from a2gc_ros.loops.results import LoopClosure, Match, Verification
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.slam.linked_graph import link_graph, write_g2o, write_vertices

ELSEWHERE = pose_from_xy_yaw(200.0, -30.0, 2.5)
"""``t_odom_world`` of the second robot: where it was switched on."""

STEPS = range(0, 60, 2)


def map_of(run: Any, start: Pose, camera: Pose | None) -> PlaceMap:
    place_map = PlaceMap.create(":memory:", Manifest("f" * 64, 4, "test"))
    session = place_map.add_session("run")
    for step in STEPS:
        descriptor = np.array([1, 0, 0, 0], dtype=np.float32)
        place_map.add(session.id, run.stamp(step), descriptor, pose=start @ run.odometry[step], t_base_camera=camera)
    return place_map


def link(first: PlaceMap, second: PlaceMap, relative: Pose, query: int, keyframe: int, *, metric: bool) -> Link:
    at_query, at_keyframe = first.keyframes()[query], second.keyframes()[keyframe]
    if not metric:
        relative = relative.copy()
        relative[:3, 3] /= np.linalg.norm(relative[:3, 3])
    checked = Verification(True, 80, 90, relative, 1e-5 * np.eye(6), scale_known=metric)
    match = Match(at_query.stamp_ns, 1, at_keyframe.id, 1, at_keyframe.stamp_ns, 0.9)
    return Link(LoopClosure(match, checked, 0.999, at_query.id), at_query, at_keyframe)


def links_of(run: Any, first: PlaceMap, second: PlaceMap) -> list[Link]:
    """Closures a second behind one another along the first lap; every third one without scale."""
    return [
        link(
            first,
            second,
            run.camera_motion(STEPS[at + 1], STEPS[at]),
            at,
            at + 1,
            metric=at % 3 > 0,
        )
        for at in range(len(STEPS) - 1)
    ]


def test_an_optimiser_brings_both_robots_into_one_frame(two_robots: Any, tmp_path: Path) -> None:
    run, other = two_robots
    with map_of(run, ELSEWHERE, run.camera) as first, map_of(other, np.eye(4), run.camera) as second:
        graph = link_graph(first, second, links_of(run, first, second))
        assert (graph.left_out, graph.components) == (0, 1)
        assert len({vertex.session for vertex in graph.vertices}) == 2
        write_g2o(graph, tmp_path / "joint.g2o")
        write_vertices(graph, tmp_path / "joint.csv")
    factors, values = gtsam.readG2o(str(tmp_path / "joint.g2o"), True)
    assert factors.size() == len(graph.odometry) + len(graph.closures)
    factors.add(gtsam.PriorFactorPose3(0, values.atPose3(0), gtsam.noiseModel.Isotropic.Sigma(6, 1e-6)))
    best = gtsam.LevenbergMarquardtOptimizer(factors, values).optimize()
    # Noise as it is said to be: the squared error is about the degrees of freedom that closures add, or less.
    assert 2 * factors.error(best) < 6 * len(graph.closures)
    assert 2 * factors.error(best) < 2 * factors.error(values)
    poses = np.stack([best.atPose3(at).matrix() for at in range(len(graph.vertices))])
    half = len(STEPS)
    for at in range(half):
        between = geometry.relative(poses[at], poses[half + at])
        assert np.linalg.norm(between[:3, 3]) < 0.15
        assert geometry.rotation_angle(np.eye(4), between) < 0.03
    rows = (tmp_path / "joint.csv").read_text().splitlines()
    assert rows[0] == "vertex,session,stamp_ns"
    assert [row.split(",")[2] for row in rows[1:]] == 2 * [str(run.stamp(step)) for step in STEPS]


def test_a_link_without_the_cameras_pose_is_left_out_and_counted(two_robots: Any) -> None:
    run, other = two_robots
    first, second = map_of(run, ELSEWHERE, None), map_of(other, np.eye(4), run.camera)
    with first, second, pytest.raises(MapError, match="none of the 29 closures"):
        link_graph(first, second, links_of(run, first, second))
