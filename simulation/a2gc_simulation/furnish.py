"""Fills a scene with the town: houses, streets, what stands in them, and cars."""

from __future__ import annotations

import numpy as np

from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_simulation import grounds, shapes
from a2gc_simulation.cars import CAR_MODELS, PAINTS, car_mesh, paint_car, wheel_positions
from a2gc_simulation.facade_painter import paint_facade
from a2gc_simulation.facades import WALLS, Facade
from a2gc_simulation.scene import Scene
from a2gc_simulation.town import Building, Prop, Town
from a2gc_simulation.traffic import Car
from a2gc_simulation.walls import paint_wall

_WALL_TILE = 4.0
_GRAY = (0.36, 0.38, 0.40)
_KERB = 0.12


def furnish_town(scene: Scene, town: Town) -> None:
    """Adds everything that does not move."""
    _common_surfaces(scene, town)
    painted: dict[Facade, str] = {}
    for number, building in enumerate(town.buildings):
        _add_building(scene, building, number, painted, town.config.texels_per_metre)
    _add_ground(scene, town)
    for number, prop in enumerate(town.props):
        _add_prop(scene, prop, number)


def furnish_cars(scene: Scene, cars: tuple[Car, ...]) -> None:
    """Adds cars as bodies named ``car0``, ``car1`` and so on."""
    scene.mesh("wheel", shapes.wheel(0.32, 0.2))
    scene.mesh("hub", shapes.wheel(0.19, 0.22))
    for model in CAR_MODELS:
        scene.surface(model.name, paint_car(model))
        scene.mesh(model.name, car_mesh(model))
    for number, car in enumerate(cars):
        model = CAR_MODELS[car.model]
        body = scene.mover(f"car{number}")
        scene.place(model.name, model.name, np.eye(4), PAINTS[car.paint], body)
        for x in wheel_positions(model):
            for side in (-1, 1):
                axle = _at(x, side * (model.width / 2 - 0.11), 0.32)
                scene.place("wheel", "plain", axle, (0.08, 0.08, 0.08), body)
                scene.place("hub", "plain", axle, (0.62, 0.62, 0.64), body)


def _at(x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Pose:
    pose = pose_from_xy_yaw(x, y, yaw)
    pose[2, 3] = z
    return pose


def _common_surfaces(scene: Scene, town: Town) -> None:
    rng = np.random.default_rng([town.config.seed, 61])
    scene.surface("plain", np.full((8, 8, 3), 255, np.uint8))
    for wall in WALLS:
        scene.surface(f"wall-{wall}", paint_wall(wall, (215, 215, 215), _WALL_TILE, _WALL_TILE, 64, rng))
    scene.surface("tiles", grounds.paint_tiles(384, rng))
    scene.surface("paving", grounds.paint_paving(4.0, 64, rng))
    scene.surface("grass", grounds.paint_grass(512, rng))
    scene.surface("bark", grounds.paint_bark(128, rng))
    for number, color in enumerate(((88, 124, 50), (112, 134, 58), (66, 104, 58), (140, 128, 52))):
        scene.surface(f"leaves{number}", grounds.paint_leaves(384, rng, color))
    stripes = np.full((32, 64, 3), 240, np.uint8)
    stripes[:, :32] = 150
    scene.surface("stripes", stripes)


def _add_building(scene: Scene, building: Building, number: int, painted: dict[Facade, str], scale: int) -> None:
    pose = pose_from_xy_yaw(building.x, building.y, building.yaw)
    depth, width, height = building.depth, building.width, building.height
    x, y = depth / 2, width / 2
    name = f"house{number}"
    bare = [((x, y, 0), (-x, y, 0)), ((-x, y, 0), (-x, -y, 0)), ((-x, -y, 0), (x, -y, 0))]
    fronts = [(building.front, (x, -y, 0), (x, y, 0))]
    if building.side is not None:
        fronts.append((building.side, *bare.pop(0)))
    for face, (facade, start, end) in enumerate(fronts):
        if facade not in painted:
            painted[facade] = scene.surface(f"facade{len(painted)}", paint_facade(facade, scale))
        scene.add(f"{name}-front{face}", shapes.upright(start, end, height), painted[facade], pose)
    walls = [shapes.upright(start, end, height, _WALL_TILE) for start, end in bare]
    if building.roof == "gable":
        walls.append(shapes.gable_ends(depth, width, building.roof_height, height, _WALL_TILE))
        roof = shapes.gable_roof(depth, width, building.roof_height, height, 3.0)
    elif building.roof == "hip":
        roof = shapes.hip_roof(depth, width, building.roof_height, height, 3.0)
    else:
        roof = shapes.box((depth + 0.24, width + 0.06, 0.35), 3.0, base=height)
    red, green, blue = (min(c / 215, 1) for c in building.front.color)
    scene.add(f"{name}-walls", shapes.join(*walls), f"wall-{building.front.wall}", pose, (red, green, blue))
    scene.add(f"{name}-roof", roof, "tiles" if building.roof != "flat" else "plain", pose, building.roof_color)
    _add_fittings(scene, building, name, pose)


def _add_fittings(scene: Scene, building: Building, name: str, pose: Pose) -> None:
    """Balconies and awnings: what stands out from a front moves against it as the robot passes."""
    facade, x = building.front, building.depth / 2
    rng = np.random.default_rng([facade.seed, 62])
    if building.awning:
        cloth = shapes.awning(facade.width * 0.84, 1.1, facade.ground_height - 1.0)
        red, green, blue = (float(c) for c in rng.uniform(0.25, 0.95, 3))
        scene.add(f"{name}-awning", cloth, "stripes", pose @ _at(x + 0.02, 0), (red, green, blue))
    if building.balcony:
        bay = facade.width / facade.bays
        middle = (int(rng.integers(facade.bays)) + 0.5) * bay - facade.width / 2
        span = min(bay * 0.86, 2.0)
        parts = []
        for floor in range(facade.floors - 1):
            base = facade.ground_height + floor * facade.floor_height
            parts.append(shapes.moved(shapes.box((0.95, span, 0.14), 1.0), x + 0.47, middle, base))
            parts.append(shapes.moved(shapes.box((0.05, span, 0.06), 1.0), x + 0.92, middle, base + 0.95))
            for along in np.linspace(-span / 2, span / 2, 8):
                bar = shapes.box((0.03, 0.03, 0.85), 1.0)
                parts.append(shapes.moved(bar, x + 0.92, middle + float(along), base + 0.12))
        scene.add(f"{name}-balcony", shapes.join(*parts), "plain", pose, (0.30, 0.31, 0.33))


def _add_ground(scene: Scene, town: Town) -> None:
    config = town.config
    half, road, scale = config.half_street, config.carriageway / 2, 40
    west, south, east, north = town.bounds
    earth = shapes.slab(west - 60, south - 60, east + 60, north + 60, -0.05)
    scene.add("earth", earth, "plain", np.eye(4), (0.42, 0.42, 0.40))
    length = config.spacing - 2 * half
    gap = config.spacing - 2 * road
    for number, street in enumerate(town.streets):
        rng = np.random.default_rng([config.seed, 63, number])
        zebras = (street.start in town.zebras, street.end in town.zebras)
        name = scene.surface(f"street{number}", grounds.paint_street(gap, 2 * road, scale, rng, zebras))
        x, y = config.position(street.start)
        middle = config.spacing / 2
        pose = _at(x + middle, y) if street.along_x else _at(x, y + middle, yaw=np.pi / 2)
        scene.add(name, shapes.slab(-gap / 2, -road, gap / 2, road, 0.0), name, pose)
    for column in range(config.columns):
        for row in range(config.rows):
            rng = np.random.default_rng([config.seed, 64, column, row])
            name = scene.surface(f"crossing{column}-{row}", grounds.paint_crossing(2 * road, scale, rng))
            scene.add(name, shapes.slab(-road, -road, road, road, 0.0), name, _at(*config.position((column, row))))
    block = length + 2 * config.pavement
    scene.mesh("block", shapes.box((block, block, _KERB), 4.0))
    scene.mesh("lawn", shapes.moved(shapes.box((length, length, 0.05), 5.0), z=_KERB))
    for column in range(config.columns - 1):
        for row in range(config.rows - 1):
            x, y = config.position((column, row))
            center = _at(x + config.spacing / 2, y + config.spacing / 2)
            scene.place("block", "paving", center)
            if (column, row) == town.park:
                scene.place("lawn", "grass", center)
    width, depth = east - west, north - south
    edge = config.pavement
    scene.mesh("kerb-x", shapes.box((width, edge, _KERB), 4.0))
    scene.mesh("kerb-y", shapes.box((edge, depth - 2 * edge, _KERB), 4.0))
    for y in (south + edge / 2, north - edge / 2):
        scene.place("kerb-x", "paving", _at((west + east) / 2, y))
    for x in (west + edge / 2, east - edge / 2):
        scene.place("kerb-y", "paving", _at(x, (south + north) / 2))


def _add_prop(scene: Scene, prop: Prop, number: int) -> None:
    rng = np.random.default_rng([prop.seed, 65])
    pose, name = _at(prop.x, prop.y, _KERB, prop.yaw), f"{prop.kind}{number}"
    parts: list[tuple[shapes.Mesh, str, tuple[float, float, float]]] = []
    if prop.kind == "tree":
        parts = _tree(prop.size, rng)
    elif prop.kind == "lamp":
        arm = shapes.moved(shapes.box((1.3, 0.07, 0.07), 1.0), 0.6, 0, 5.2)
        post = shapes.join(shapes.tube(0.07, 5.25, 1.0), shapes.tube(0.13, 0.9, 1.0), arm)
        parts = [(post, "plain", (0.20, 0.24, 0.24))]
        parts.append((shapes.moved(shapes.box((0.6, 0.24, 0.12), 1.0), 1.3, 0, 5.1), "plain", (0.86, 0.86, 0.78)))
    elif prop.kind == "billboard":
        poster = scene.surface(name, grounds.paint_poster(288, 432, rng))
        frame = shapes.join(shapes.box((0.14, 1.36, 0.3), 1.0), shapes.moved(shapes.box((0.1, 1.36, 2.0), 1.0), z=0.3))
        parts = [(frame, "plain", _GRAY)]
        front = shapes.upright([0.06, -0.62, 0.38], [0.06, 0.62, 0.38], 1.86)
        back = shapes.upright([-0.06, 0.62, 0.38], [-0.06, -0.62, 0.38], 1.86)
        parts.append((shapes.join(front, back), poster, (1.0, 1.0, 1.0)))
    elif prop.kind == "bench":
        seat = shapes.moved(shapes.box((0.45, 1.7, 0.06), 1.0), z=0.42)
        rest = shapes.moved(shapes.box((0.06, 1.7, 0.4), 1.0), -0.2, 0, 0.5)
        parts = [(shapes.join(seat, rest), "bark", (1.0, 0.9, 0.8))]
        legs = [shapes.moved(shapes.box((0.4, 0.07, 0.42), 1.0), 0, y, 0) for y in (-0.7, 0.7)]
        parts.append((shapes.join(*legs), "plain", _GRAY))
    elif prop.kind == "bin":
        parts = [(shapes.tube(0.26, 0.85, 1.0), "plain", (0.16, 0.36, 0.24))]
    else:
        parts = [(shapes.box((0.7, prop.size, 1.0), 1.4), "leaves2", (1.0, 1.0, 1.0))]
    for index, (mesh, surface, color) in enumerate(parts):
        scene.add(f"{name}-{index}", mesh, surface, pose, color)


def _tree(size: float, rng: np.random.Generator) -> list[tuple[shapes.Mesh, str, tuple[float, float, float]]]:
    trunk = size * 0.5
    leaves = f"leaves{int(rng.integers(4))}"
    tint = float(rng.uniform(0.85, 1.0))
    balls = [shapes.moved(shapes.crown(size * 0.2, rng), z=size * 0.76)]
    for angle in rng.uniform(0, 2 * np.pi) + np.arange(4) * np.pi / 2:
        reach = size * float(rng.uniform(0.13, 0.19))
        ball = shapes.crown(size * float(rng.uniform(0.14, 0.18)), rng)
        balls.append(shapes.moved(ball, reach * np.cos(angle), reach * np.sin(angle), size * rng.uniform(0.55, 0.7)))
    trunk_mesh = shapes.tube(size * 0.024 + 0.03, trunk, 0.6)
    return [(trunk_mesh, "bark", (1.0, 1.0, 1.0)), (shapes.join(*balls), leaves, (tint, 1.0, tint))]
