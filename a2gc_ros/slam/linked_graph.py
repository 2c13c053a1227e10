"""The pose graph of sessions that closures link: their odometry, the closures, and a first guess in one frame."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from a2gc_ros import geometry
from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.loops.linking import Link
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.slam.noise import ClosureNoise, Matrix, OdometryNoise, at_bases
from a2gc_ros.system.files import write_whole

G2O_ORDER = (3, 4, 5, 0, 1, 2)
"""g2o's files have translation before rotation, the graph's tangent rotation first."""


@dataclass(frozen=True)
class Vertex:
    """A keyframe in the graph.

    Attributes:
        guess: ``t_world_base`` before any optimization; world is the odometry frame of the component's first session.
    """

    session: str
    keyframe: Keyframe
    guess: Pose


@dataclass(frozen=True)
class Edge:
    """A measurement between two vertices.

    Attributes:
        before: Number of the one.
        after: Number of the other.
        measured: ``t_before_after``, of the robots' bases.
        covariance: (6, 6) in the graph's tangent: rotation before translation, in the axes of ``after``.
    """

    before: int
    after: int
    measured: Pose
    covariance: Matrix


@dataclass(frozen=True)
class LinkedGraph:
    """The graph.

    Attributes:
        vertices: Session by session in the order of their stamps.
        odometry: Edges between neighbors of one session.
        closures: Edges between sessions.
        left_out: How many links have no pose, or lack odometry or the camera's pose on a robot.
        components: Into how many parts that nothing links it falls; the first vertex of each is as well as any to fix.
    """

    vertices: list[Vertex]
    odometry: list[Edge]
    closures: list[Edge]
    left_out: int
    components: int


@dataclass(frozen=True)
class _Joint:
    """A link as a measurement between the bases of two keyframes, named by session and stamp."""

    query: tuple[str, int]
    keyframe: tuple[str, int]
    measured: Pose = field(repr=False)
    covariance: Matrix = field(repr=False)
    error: float


def link_graph(place_map: PlaceMap, other: PlaceMap, links: Sequence[Link]) -> LinkedGraph:
    """Builds the pose graph of all sessions that links join.

    Args:
        place_map: The map whose keyframes were looked for.
        other: The map they were looked for in.
        links: What :func:`a2gc_ros.loops.linking.find_links` gave.

    Raises:
        MapError: If no link has what a pose graph needs.
    """
    uuids = [{session.id: session.uuid for session in each.sessions()} for each in (place_map, other)]
    joints = [joint for link in links if (joint := _joint(link, *uuids)) is not None]
    if not joints:
        raise MapError(
            f"none of the {len(links)} closures between {place_map.path} and {other.path} can be put into a pose "
            "graph: it takes odometry, calibrated cameras, and the cameras' poses on the robots in both maps"
        )
    runs: dict[str, dict[int, Keyframe]] = {}
    for each, names in zip((place_map, other), uuids, strict=True):
        for number, uuid in names.items():
            if any(uuid in (joint.query[0], joint.keyframe[0]) for joint in joints):
                run = runs.setdefault(uuid, {})
                for keyframe in each.keyframes(number):
                    if keyframe.pose is not None:
                        run.setdefault(keyframe.stamp_ns, keyframe)
    frames, components = _frames(list(runs), runs, joints)
    vertices: list[Vertex] = []
    odometry: list[Edge] = []
    numbers: dict[tuple[str, int], int] = {}
    noise = OdometryNoise()
    for uuid, run in runs.items():
        for stamp in sorted(run):
            numbers[uuid, stamp] = len(vertices)
            vertices.append(Vertex(uuid, run[stamp], frames[uuid] @ _pose(run[stamp])))
        for before, after in itertools.pairwise(sorted(run)):
            motion = geometry.relative(_pose(run[before]), _pose(run[after]))
            odometry.append(Edge(numbers[uuid, before], numbers[uuid, after], motion, noise.covariance(motion)))
    closures = [Edge(numbers[j.keyframe], numbers[j.query], j.measured, j.covariance) for j in joints]
    return LinkedGraph(vertices, odometry, closures, len(links) - len(joints), components)


def write_g2o(graph: LinkedGraph, path: Path) -> None:
    """Writes ``VERTEX_SE3:QUAT`` and ``EDGE_SE3:QUAT`` lines, odometry before closures, and nothing else.

    The information is that of translation and rotation vector, as GTSAM, Ceres and SE-Sync read it. g2o itself takes
    the vector part of the quaternion, half the rotation, and so weighs rotations a quarter as much.
    """
    lines = [f"VERTEX_SE3:QUAT {number} {_numbers(vertex.guess)}" for number, vertex in enumerate(graph.vertices)]
    upper = np.triu_indices(6)
    for edge in (*graph.odometry, *graph.closures):
        information = np.linalg.inv(edge.covariance)[np.ix_(G2O_ORDER, G2O_ORDER)]
        values = " ".join(f"{value:.9g}" for value in information[upper])
        lines.append(f"EDGE_SE3:QUAT {edge.before} {edge.after} {_numbers(edge.measured)} {values}")
    write_whole(path, "\n".join(lines) + "\n")


def write_vertices(graph: LinkedGraph, path: Path) -> None:
    """Writes which keyframe each vertex is, as a table: vertex, session (UUID), stamp_ns."""
    rows = [f"{at},{vertex.session},{vertex.keyframe.stamp_ns}" for at, vertex in enumerate(graph.vertices)]
    write_whole(path, "\n".join(["vertex,session,stamp_ns", *rows]) + "\n")


def _joint(link: Link, ours: dict[int, str], theirs: dict[int, str]) -> _Joint | None:
    """Returns what a link measures between two bases, or None where it lacks something."""
    query, keyframe, verification = link.query, link.keyframe, link.closure.verification
    if verification is None or verification.relative_pose is None or not link.placed.posed:
        return None
    if query.t_base_camera is None or keyframe.t_base_camera is None:
        return None
    measured, covariance = ClosureNoise().covariance(
        verification.relative_pose, verification.covariance, scale_known=verification.scale_known
    )
    measured, covariance = at_bases(measured, covariance, keyframe.t_base_camera, query.t_base_camera)
    return _Joint(
        (ours[query.session_id], query.stamp_ns),
        (theirs[keyframe.session_id], keyframe.stamp_ns),
        measured,
        covariance,
        float(np.trace(covariance[3:, 3:])),
    )


def _frames(
    uuids: list[str], runs: dict[str, dict[int, Keyframe]], joints: Sequence[_Joint]
) -> tuple[dict[str, Pose], int]:
    """Returns ``t_world_odom`` of every session by the surest links, and how many components there are."""
    frames: dict[str, Pose] = {}
    components = 0
    surest = sorted(joints, key=lambda joint: joint.error)
    while len(frames) < len(uuids):
        joining = next((j for j in surest if (j.query[0] in frames) != (j.keyframe[0] in frames)), None)
        if joining is None:
            frames[next(uuid for uuid in uuids if uuid not in frames)] = np.eye(4)
            components += 1
            continue
        t_odom_query, t_odom_keyframe = (_pose(runs[uuid][stamp]) for uuid, stamp in (joining.query, joining.keyframe))
        # From the odometry of the query's session to that of the keyframe's.
        between = t_odom_keyframe @ joining.measured @ geometry.inverse(t_odom_query)
        if joining.keyframe[0] in frames:
            frames[joining.query[0]] = frames[joining.keyframe[0]] @ between
        else:
            frames[joining.keyframe[0]] = frames[joining.query[0]] @ geometry.inverse(between)
    return frames, components


def _pose(keyframe: Keyframe) -> Pose:
    assert keyframe.pose is not None
    return keyframe.pose


def _numbers(pose: Pose) -> str:
    return " ".join(f"{value:.9g}" for value in (*pose[:3, 3], *geometry.quaternion_of(pose)))
