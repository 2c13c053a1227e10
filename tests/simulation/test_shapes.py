from __future__ import annotations

import numpy as np
import pytest
from a2gc_simulation import shapes
from a2gc_simulation.cars import CAR_MODELS, car_mesh
from a2gc_simulation.shapes import Mesh
from hypothesis import given
from hypothesis import strategies as st

MESHES = {
    "upright": shapes.upright((0, 0, 0), (2, 0, 0), 3.0),
    "box": shapes.box((1, 2, 3), 1.0),
    "slab": shapes.slab(0, 0, 2, 1, 0.0),
    "gable roof": shapes.gable_roof(6, 8, 2, 9, 3.0),
    "gable ends": shapes.gable_ends(6, 8, 2, 9, 4.0),
    "hip roof": shapes.hip_roof(6, 6, 2, 9, 3.0),
    "awning": shapes.awning(4, 1, 3),
    "tube": shapes.tube(0.1, 5, 1.0),
    "wheel": shapes.wheel(0.3, 0.2),
    "crown": shapes.crown(1.0, np.random.default_rng(1)),
    **{model.name: car_mesh(model) for model in CAR_MODELS},
}


@pytest.mark.parametrize("name", MESHES)
def test_normals_point_to_the_side_from_which_a_face_runs_anticlockwise(name: str) -> None:
    mesh: Mesh = MESHES[name]
    assert len(mesh.vertices) == len(mesh.texcoords) == len(mesh.normals)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    wound = np.cross(b - a, c - a)
    mean = mesh.normals[mesh.faces].mean(axis=1)
    solid = np.linalg.norm(wound, axis=1) > 1e-9
    assert np.all(np.sum(wound * mean, axis=1)[solid] > 0)


@pytest.mark.parametrize("name", ["box", "hip roof", "tube", "wheel", "crown"])
def test_faces_of_round_things_look_away_from_the_middle(name: str) -> None:
    mesh = MESHES[name]
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    outwards = np.sum((mesh.vertices - middle) * mesh.normals, axis=1)
    assert np.all(outwards > -1e-9)


def test_a_front_shows_its_picture_upright_and_unmirrored() -> None:
    mesh = shapes.upright((0, 0, 0), (4, 0, 0), 3.0)  # seen from y < 0: left is x = 0
    corners = {tuple(v): tuple(t) for v, t in zip(mesh.vertices.tolist(), mesh.texcoords.tolist(), strict=True)}
    assert corners[(0, 0, 3)] == (0, 0)
    assert corners[(4, 0, 0)] == (1, 1)
    assert mesh.normals[0] == pytest.approx([0, -1, 0])


@given(
    size=st.tuples(*[st.floats(0.1, 20)] * 3),
    offset=st.tuples(*[st.floats(-50, 50)] * 3),
)
def test_joining_and_moving_keep_areas(size: tuple[float, float, float], offset: tuple[float, float, float]) -> None:
    def area(mesh: Mesh) -> float:
        a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)

    one = shapes.box(size, 1.0)
    x, y, z = size
    assert area(one) == pytest.approx(2 * z * (x + y) + x * y)
    both = shapes.join(one, shapes.moved(one, *offset))
    assert area(both) == pytest.approx(2 * area(one))
