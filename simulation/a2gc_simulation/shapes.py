"""Triangle meshes with texture coordinates, made of quadrilaterals and triangles.

Every face has vertices of its own, so edges are sharp unless a shape gives its own normals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """A surface.

    Args:
        vertices: float64 (n, 3), metres.
        texcoords: float64 (n, 2); (0, 0) is the upper left corner of the picture.
        faces: int64 (m, 3), anticlockwise seen from outside.
        normals: float64 (n, 3), unit length, outwards.
    """

    vertices: Array
    texcoords: Array
    faces: npt.NDArray[np.int64]
    normals: Array


def join(*meshes: Mesh) -> Mesh:
    """Returns one mesh with the faces of all."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.texcoords for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
        np.concatenate([mesh.normals for mesh in meshes]),
    )


def _raised(points: Array, height: float) -> Array:
    return points + np.array([0.0, 0.0, height])


def polygon(corners: npt.ArrayLike, texcoords: npt.ArrayLike) -> Mesh:
    """A flat convex face.

    Args:
        corners: (k, 3), anticlockwise seen from outside.
        texcoords: (k, 2), one for each corner.
    """
    points = np.asarray(corners, np.float64)
    # The vector area, which survives corners that coincide.
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    normal /= np.linalg.norm(normal)
    faces = np.array([[0, k, k + 1] for k in range(1, len(points) - 1)])
    return Mesh(points, np.asarray(texcoords, np.float64), faces, np.tile(normal, (len(points), 1)))


def upright(start: npt.ArrayLike, end: npt.ArrayLike, height: float, tile: float | None = None) -> Mesh:
    """A vertical rectangle; seen from outside, ``start`` is its lower left and ``end`` its lower right corner.

    Args:
        start: (x, y, z).
        end: (x, y, z).
        height: Metres.
        tile: Metres that one copy of the picture covers; None stretches one picture over the whole.
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    u, v = (1.0, 1.0) if tile is None else (float(np.linalg.norm(b - a)) / tile, height / tile)
    return polygon(np.stack([a, b, _raised(b, height), _raised(a, height)]), [[0.0, v], [u, v], [u, 0.0], [0.0, 0.0]])


def box(size: tuple[float, float, float], tile: float, *, base: float = 0.0) -> Mesh:
    """A box without a floor, standing on ``z = base`` and centered on the origin.

    Args:
        size: Extent along x, y, z in metres.
        tile: Metres that one copy of the picture covers.
        base: Height of the lower edge.
    """
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    ring = np.array([[x, -y, base], [x, y, base], [-x, y, base], [-x, -y, base]])
    walls = [upright(ring[k], ring[(k + 1) % 4], z, tile) for k in range(4)]
    lid = _raised(ring, z)
    return join(*walls, polygon(lid, (lid[:, :2] - lid[0, :2]) / tile))


def slab(x0: float, y0: float, x1: float, y1: float, z: float) -> Mesh:
    """A level rectangle that faces up and bears one picture, whose columns run along x."""
    corners = [[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]
    return polygon(corners, [[0, 1], [1, 1], [1, 0], [0, 0]])


def gable_roof(depth: float, width: float, height: float, base: float, tile: float) -> Mesh:
    """Two slopes that fall to +x and -x, to just beyond the walls."""
    x, y, eaves = depth / 2 + 0.06, width / 2, base - 0.06 * height / (depth / 2)
    run: float = float(np.hypot(x, base + height - eaves)) / tile
    uv = [[0.0, run], [width / tile, run], [width / tile, 0.0], [0.0, 0.0]]
    top = base + height
    front = polygon([[x, -y, eaves], [x, y, eaves], [0, y, top], [0, -y, top]], uv)
    back = polygon([[-x, y, eaves], [-x, -y, eaves], [0, -y, top], [0, y, top]], uv)
    return join(front, back)


def gable_ends(depth: float, width: float, height: float, base: float, tile: float) -> Mesh:
    """The two wall triangles below a gable roof."""
    x, y = depth / 2, width / 2
    uv = np.array([[0, height], [depth, height], [x, 0]]) / tile
    left = polygon([[-x, -y, base], [x, -y, base], [0, -y, base + height]], uv)
    right = polygon([[x, y, base], [-x, y, base], [0, y, base + height]], uv)
    return join(left, right)


def hip_roof(depth: float, width: float, height: float, base: float, tile: float) -> Mesh:
    """Four slopes that fall from one point to just beyond the walls."""
    x, y = depth / 2 + 0.06, width / 2 + 0.06
    ring = np.array([[x, -y, base], [x, y, base], [-x, y, base], [-x, -y, base]])
    slopes = []
    for k in range(4):
        a, b = ring[k], ring[(k + 1) % 4]
        side = float(np.linalg.norm(b - a))
        run = float(np.hypot(np.linalg.norm((a + b)[:2]) / 2, height))
        uv = np.array([[0, run], [side, run], [side / 2, 0]]) / tile
        slopes.append(polygon([a, b, [0, 0, base + height]], uv))
    return join(*slopes)


def awning(width: float, depth: float, height: float) -> Mesh:
    """A slanting cloth in front of the plane x = 0, with a hanging edge; seen from above and from the front."""
    y, drop, edge = width / 2, 0.55, 0.22
    stripes = width / 0.8
    z0, z1 = height, height - drop
    cloth = polygon(
        [[depth, -y, z1], [depth, y, z1], [0, y, z0], [0, -y, z0]],
        [[0.0, 1.0], [stripes, 1.0], [stripes, 0.0], [0.0, 0.0]],
    )
    hem = upright([depth, -y, z1 - edge], [depth, y, z1 - edge], edge)
    hem = Mesh(hem.vertices, hem.texcoords * [stripes, 1], hem.faces, hem.normals)
    sides = [
        polygon([[0, -y, z1 - edge], [depth, -y, z1 - edge], [depth, -y, z1], [0, -y, z0]], np.zeros((4, 2))),
        polygon([[depth, y, z1 - edge], [0, y, z1 - edge], [0, y, z0], [depth, y, z1]], np.zeros((4, 2))),
    ]
    return join(cloth, hem, *sides)


def tube(radius: float, height: float, tile: float, *, segments: int = 10) -> Mesh:
    """An upright round post on ``z = 0``, closed on top, with smooth sides."""
    angles = np.linspace(0, 2 * np.pi, segments + 1)
    rim = np.column_stack([np.cos(angles), np.sin(angles)])
    ring = np.column_stack([radius * rim, np.zeros(segments + 1)])
    u = angles * max(radius, 0.1) / tile
    vertices = np.concatenate([ring, _raised(ring, height)])
    texcoords = np.concatenate([np.column_stack([u, np.full_like(u, height / tile)]), np.column_stack([u, 0 * u])])
    normals = np.tile(np.column_stack([rim, np.zeros(segments + 1)]), (2, 1))
    n = segments + 1
    faces = [[k, k + 1, n + k + 1] for k in range(segments)] + [[k, n + k + 1, n + k] for k in range(segments)]
    lid = _raised(ring[:-1], height)
    return join(Mesh(vertices, texcoords, np.array(faces), normals), polygon(lid, lid[:, :2] / tile))


def moved(mesh: Mesh, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
    """Returns a mesh shifted by metres."""
    return Mesh(mesh.vertices + np.array([x, y, z]), mesh.texcoords, mesh.faces, mesh.normals)


def crown(radius: float, rng: np.random.Generator) -> Mesh:
    """A dented ball of leaves around the origin, with smooth normals."""
    rings, segments = 12, 18
    polar = np.linspace(0.02, np.pi - 0.02, rings)
    azimuth = np.linspace(0, 2 * np.pi, segments + 1)
    dents = 1 + 0.09 * rng.standard_normal((rings, segments))
    dents = np.concatenate([dents, dents[:, :1]], axis=1)
    theta, phi = np.meshgrid(polar, azimuth, indexing="ij")
    unit = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    vertices = (unit * (radius * dents)[..., None]).reshape(-1, 3)
    uv = np.stack([phi / np.pi * 1.5, theta / np.pi * 1.5], axis=-1).reshape(-1, 2)
    faces = []
    for i in range(rings - 1):
        for j in range(segments):
            a, b = i * (segments + 1) + j, (i + 1) * (segments + 1) + j
            faces += [[a, b, b + 1], [a, b + 1, a + 1]]
    return Mesh(vertices, uv, np.array(faces), unit.reshape(-1, 3))


def wheel(radius: float, width: float) -> Mesh:
    """A disc round the y axis."""
    upright_tube = tube(radius, width, 1.0, segments=14)
    ends = join(upright_tube, _flipped(upright_tube, width))
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    return Mesh((ends.vertices - [0, 0, width / 2]) @ turn.T, ends.texcoords, ends.faces, ends.normals @ turn.T)


def _flipped(mesh: Mesh, height: float) -> Mesh:
    """Returns a mesh turned by half a turn about x, standing on the plane where its top was."""
    turn = np.diag([1.0, -1.0, -1.0])
    return Mesh(mesh.vertices @ turn + [0, 0, height], mesh.texcoords, mesh.faces, mesh.normals @ turn)
