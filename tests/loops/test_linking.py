"""Closures between the maps of two robots, each with its own odometry and its own camera mount."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from a2gc_ros import geometry
from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError, MapError
from a2gc_ros.geometry import Pose, pose_from_xy_yaw, pose_from_xyz_rpy
from a2gc_ros.loops import LoopConfig
from a2gc_ros.loops.evidence import FILE
from a2gc_ros.loops.linking import Links, find_links
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.placemap import Manifest, PlaceMap, merge

VIEW_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
"""Where the town's renderer has the camera, seen from the pose on the street."""

TURNED = pose_from_xyz_rpy((-0.8, 0.2, 0.0, 0.0, 0.0, 0.6))
STARTS = {"one": pose_from_xy_yaw(3.0, -40.0, 1.0), "two": pose_from_xy_yaw(-70.0, 5.0, -2.0)}
"""``t_world_odom`` of the robots."""
MOUNTS = {"one": VIEW_CAMERA, "two": TURNED @ VIEW_CAMERA}
"""``t_base_camera`` of the robots."""
SURE = LoopConfig(max_false_positive_rate=0.1)
KNOWN = next(
    iter(json.loads(resources.files("a2gc_ros.loops").joinpath(FILE).read_text(encoding="utf-8"))["fingerprints"])
)
"""A model whose similarities count as evidence, so that what is left out of a search shows."""


def write_map(path: Path, robot: str, frames: list, *, jump_m: float = 0.0) -> Path:
    """Writes the map of one robot; its odometry may be wrong by a jump on the second half."""
    verifier = GeometricVerifier(SURE)
    with PlaceMap.create(path, Manifest(KNOWN, len(frames[0][1]), "test")) as place_map:
        session = place_map.add_session(robot)
        for step, (frame, descriptor) in enumerate(frames):
            t_world_base = frame.pose @ VIEW_CAMERA @ geometry.inverse(MOUNTS[robot])
            pose = geometry.inverse(STARTS[robot]) @ t_world_base
            pose[0, 3] += jump_m * (step >= len(frames) // 2)
            place_map.add(
                session.id,
                frame.stamp_ns,
                descriptor,
                pose=pose,
                path_length=float(step),
                intrinsics_json=intrinsics(frame),
                t_base_camera=MOUNTS[robot],
                features=verifier.encoded(verifier.view_of_frame(frame)),
            )
    return path


def intrinsics(frame) -> str:
    from a2gc_ros.placemap.thumbnails import intrinsics_json

    text = intrinsics_json(frame.intrinsics)
    assert text is not None
    return text


@pytest.fixture(scope="module")
def maps(drive: Callable, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("maps")
    first, second = drive(12, 30), drive(13.3, 26, lateral=0.5, start_s=500)
    written = {
        "one": write_map(folder / "one.a2gc", "one", first),
        "two": write_map(folder / "two.a2gc", "two", second),
    }
    written["both"] = folder / "both.a2gc"
    merge([written["one"], written["two"]], written["both"])
    written["jumped"] = write_map(folder / "jumped.a2gc", "two", second, jump_m=9.0)
    return written


def links(first: Path, second: Path, config: LoopConfig = SURE) -> Links:
    with PlaceMap.open(first, read_only=True) as ours, PlaceMap.open(second, read_only=True) as theirs:
        return find_links(ours, theirs, config)


def pairs(found: Links) -> list[tuple[int, int]]:
    return [(link.query.stamp_ns, link.keyframe.stamp_ns) for link in found.found]


def likely(found: Links) -> list[float | None]:
    return [link.closure.probability for link in found.found]


def test_robots_with_other_odometry_and_other_cameras_meet_in_metres(maps: dict[str, Path]) -> None:
    found = links(maps["two"], maps["one"])
    assert len(found.found) >= 8
    assert (found.contradicting, found.unreadable) == (0, 0)
    metric = [link for link in found.found if link.closure.verification.scale_known]
    assert len(metric) > 0.8 * len(found.found)
    for link in metric:
        assert link.closure.match.map_index == 1
        truth = geometry.relative(world_camera("one", link.keyframe.pose), world_camera("two", link.query.pose))
        assert geometry.distance(link.closure.verification.relative_pose, truth) < 0.25


def world_camera(robot: str, pose: Pose) -> Pose:
    return STARTS[robot] @ pose @ MOUNTS[robot]


@pytest.mark.slow
def test_a_session_that_both_maps_hold_is_not_linked_with_itself(maps: dict[str, Path]) -> None:
    # The robot's own session is in what it pulled: that changes nothing of what it finds of others.
    alone = links(maps["two"], maps["one"])
    for found in (links(maps["two"], maps["both"]), links(maps["both"], maps["both"])):
        assert pairs(found) == pairs(alone)
        assert likely(found) == likely(alone)
    with pytest.raises(MapError, match="no two sessions that could be linked"):
        links(maps["one"], maps["one"])


@pytest.mark.slow
def test_what_contradicts_the_rest_by_both_odometries_is_left_out(maps: dict[str, Path]) -> None:
    whole, jumped = links(maps["two"], maps["one"]), links(maps["jumped"], maps["one"])
    assert jumped.contradicting > 0
    assert set(pairs(jumped)) < set(pairs(whole))
    begin = min(stamp for stamp, _ in pairs(whole))
    halves = {stamp - begin >= 6e9 for stamp, _ in pairs(jumped)}
    assert len(halves) == 1


def test_links_are_always_verified(maps: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="verify"):
        links(maps["one"], maps["two"], LoopConfig(verify=False))


@pytest.mark.slow
def test_the_command_writes_graph_table_and_messages(maps: dict[str, Path], tmp_path: Path) -> None:
    graph, bag = tmp_path / "joint.g2o", tmp_path / "closures.mcap"
    arguments = ["map", "link", *map(str, (maps["two"], maps["one"])), "--set", "max_false_positive_rate=0.1"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(graph), "--bag", str(bag), "--json"])
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    found = links(maps["two"], maps["one"])
    assert done["closures"] == len(found.found)
    assert [pair["closures"] for pair in done["sessions"]] == [len(found.found)]
    lines = graph.read_text().splitlines()
    vertices = [line for line in lines if line.startswith("VERTEX_SE3:QUAT ")]
    assert len(vertices) == done["graph"]["vertices"] == 18 + 13
    assert len(lines) == len(vertices) + 17 + 12 + done["graph"]["closures"]
    assert len((tmp_path / "joint.csv").read_text().splitlines()) == 1 + len(vertices)
    again = CliRunner().invoke(app, [*arguments, "--bag", str(bag)])
    assert isinstance(again.exception, ConfigError)
