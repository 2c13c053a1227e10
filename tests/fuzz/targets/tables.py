"""Files of poses, calibrations and lists of images, as spreadsheets and scripts leave them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from harness import Target, mutated

from a2gc_ros.bags.calibration import read_calibration
from a2gc_ros.bags.image_folder import open_image_folder
from a2gc_ros.bags.pose_table import read_pose_table, read_trajectory
from a2gc_ros.evaluation.datasets.own_files import open_folders

POSES = (
    b"1.5 0 0 0 0 0 0 1\n2.5 1 0 0 0 0 0 1\n",
    b"stamp,x,y,z,qx,qy,qz,qw\n1,2,3,4,0,0,0,1\n2,3,4,5,0,0,0,1\n",
    b"image,x_m,y_m,yaw_rad\n0.png,1,2,0.5\n1.png,3,4,-0.5\n",
    "\ufeffimage;x;y;yaw\n0.png;1,5;2,5;0\n1.png;1,5;2,5;0\n".encode(),
    b"#timestamp [ns],p_RS_R_x [m],p_RS_R_y [m],p_RS_R_z [m],q_RS_w [],q_RS_x [],q_RS_y [],q_RS_z []\n"
    b"1,2,3,4,1,0,0,0\n",
    b"1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 inf 0 1 0 0 0 0 1 0\n",
)
CALIBRATIONS = (
    b"image_width: 640\nimage_height: 480\n"
    b"camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 500, 240, 0, 0, 1]}\n"
    b"distortion_model: plumb_bob\ndistortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}\n",
    b"%YAML:1.0\nresolution: [752, 480]\nintrinsics: [458.6, 457.2, 367.2, 248.3]\n"
    b"distortion_model: radial-tangential\ndistortion_coefficients: [-0.28, 0.07, 0.0001, 0.00001]\n",
)
PIECES = (
    b"inf",
    b"nan",
    b"1e200",
    b"-1e256",
    b";",
    b",",
    b"\t",
    b'"',
    b"\0",
    b"\xff",
    b"1e999999",
    b"\n\n",
    b"&a [*a]",
    b"",
)


def spoiled(rng: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """Changes cells as often as bytes."""
    seed = rng.choice(seeds)
    if rng.random() < 0.2:
        return seed
    if rng.random() < 0.5:
        return mutated(rng, seed, seeds)
    words = seed.replace(b"\n", b" \n ").split(b" ")
    for _ in range(rng.choice((1, 2, 4))):
        words[rng.randrange(len(words))] = rng.choice(PIECES)
    return b" ".join(words).replace(b" \n ", b"\n")


def read_poses(path: Path) -> None:
    table = read_pose_table(path)
    assert all(np.isfinite(pose).all() for pose in table.poses)
    if table.stamps_ns is not None:
        read_trajectory(path)


def poses(rng: random.Random, folder: Path) -> None:
    path = folder / "poses.csv"
    path.write_bytes(spoiled(rng, POSES))
    (folder / "times.txt").write_bytes(spoiled(rng, (b"1\n2\n",)))
    read_poses(path)


def poses_from_corpus(file: Path, folder: Path) -> None:
    path = folder / file.name
    path.write_bytes(file.read_bytes())
    (folder / "times.txt").write_bytes(b"1\n2\n")
    read_poses(path)


def calibration(rng: random.Random, folder: Path) -> None:
    path = folder / "camera.yaml"
    path.write_bytes(spoiled(rng, CALIBRATIONS))
    read_calibration(path)


def truth(rng: random.Random, folder: Path) -> None:
    """Ground truth beside two folders of images."""
    path = folder / "truth.csv"
    path.write_bytes(spoiled(rng, (*POSES[2:4], b"query,database\n0.png,0.png\n")))
    judged(path, folder)


def judged(path: Path, folder: Path) -> None:
    for name in ("database", "queries"):
        (folder / name).mkdir()
        (folder / name / "0.png").write_bytes(b"")
        (folder / name / "1.png").write_bytes(b"")
    open_folders(folder / "database", folder / "queries", path, name="own", metres=10.0, degrees=40.0)


def listing(rng: random.Random, folder: Path) -> None:
    """EuRoC's list of images, with poses beside it."""
    (folder / "data").mkdir()
    for name in ("1.png", "2.png"):
        (folder / "data" / name).write_bytes(b"")
    (folder / "data.csv").write_bytes(spoiled(rng, (b"#timestamp [ns],filename\n1000,1.png\n2000,2.png\n",)))
    (folder / "sensor.yaml").write_bytes(spoiled(rng, CALIBRATIONS[1:]))
    open_image_folder(folder, rate=rng.choice((None, 2.0, float("nan"), 0.0)))


def targets() -> list[Target]:
    """Tables and YAML files."""
    return [
        Target("poses", poses, 2.0, poses_from_corpus),
        Target("truth", truth, 1.0, judged),
        Target("camera_file", calibration, 1.0),
        Target("listing", listing, 1.0),
    ]
