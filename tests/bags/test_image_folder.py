"""Folders of images become recordings and come back equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from a2gc_ros.bags.image_folder import FIRST_STAMP_NS, open_image_folder, write_image_folder
from a2gc_ros.bags.recording import open_recording
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import pose_from_xy_yaw, yaw_of
from a2gc_ros.images.decode import read_image

SECOND = 10**9


@pytest.fixture
def photos(scene: Any, tmp_path: Path) -> Path:
    """Twelve pictures named image_0.png to image_11.png, whose blue tells their number."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(12):
        rgb = scene.picture(0)
        rgb[..., 2] = 10 * i
        cv2.imwrite(str(folder / f"image_{i}.png"), rgb[..., ::-1])
    return folder


def numbers(path: Path) -> list[int]:
    with open_recording(path) as recording:
        return [int(frame.image[0, 0, 2]) // 10 for frame in recording.frames()]


def test_numbers_in_names_are_counted_not_spelled(photos: Path, tmp_path: Path) -> None:
    content = open_image_folder(photos, rate=4)
    assert [stamp for stamp, _ in content.images] == [FIRST_STAMP_NS + i * SECOND // 4 for i in range(12)]
    write_image_folder(content, tmp_path / "out.mcap")
    assert numbers(tmp_path / "out.mcap") == list(range(12))


def test_a_table_chooses_images_and_their_order(photos: Path, tmp_path: Path) -> None:
    poses = tmp_path / "poses.csv"
    poses.write_text("image,x_m,y_m,yaw_rad\nimage_7.png,1,2,0.3\nimage_2.png,3,4,0.5\n")
    write_image_folder(open_image_folder(photos, poses=poses, rate=1), tmp_path / "out.mcap")
    assert numbers(tmp_path / "out.mcap") == [7, 2]
    with open_recording(tmp_path / "out.mcap") as recording:
        frames = list(recording.frames())
    for frame, expected in zip(frames, [pose_from_xy_yaw(1, 2, 0.3), pose_from_xy_yaw(3, 4, 0.5)], strict=True):
        np.testing.assert_allclose(frame.pose, expected, atol=1e-12)


def test_a_table_with_images_and_stamps_needs_no_rate(photos: Path, tmp_path: Path) -> None:
    poses = tmp_path / "poses.csv"
    poses.write_text("stamp,image,x,y,yaw\n30,image_1.png,1,2,0\n10.5,image_4.png,3,4,0\n")
    content = open_image_folder(photos, poses=poses)
    assert [(stamp, path.name) for stamp, path in content.images] == [
        (10_500_000_000, "image_4.png"),
        (30_000_000_000, "image_1.png"),
    ]
    assert [stamp for stamp, _ in content.poses] == [10_500_000_000, 30_000_000_000]


@pytest.mark.parametrize("name", ["1700000000.250000", "1700000000250000000"])
def test_stamps_in_names_meet_stamped_poses(photos: Path, tmp_path: Path, name: str) -> None:
    for path in photos.iterdir():
        path.unlink() if path.name != "image_3.png" else path.rename(photos / f"{name}.png")
    poses = tmp_path / "poses.txt"
    poses.write_text("1700000000 0 0 0 0 0 0 1\n1700000001 4 0 0 0 0 0 1\n")
    write_image_folder(open_image_folder(photos, poses=poses), tmp_path / "out.bag")
    with open_recording(tmp_path / "out.bag") as recording:
        (frame,) = recording.frames()
    assert frame.stamp_ns == 1_700_000_000_250_000_000
    assert frame.pose is not None
    assert frame.pose[0, 3] == pytest.approx(1.0)


def test_files_are_stored_as_they_are(photos: Path, tmp_path: Path) -> None:
    write_image_folder(open_image_folder(photos, rate=1), tmp_path / "out.mcap", topic="/front/image_raw")
    stored = (photos / "image_5.png").read_bytes()
    assert stored in (tmp_path / "out.mcap").read_bytes()
    with open_recording(tmp_path / "out.mcap") as recording:
        assert [topic.name for topic in recording.topics] == ["/front/image_raw/compressed"]


@pytest.mark.parametrize(("gray", "encoding"), [(True, b"mono8"), (False, b"rgb8")])
def test_raw_pixels_are_stored_in_as_few_channels_as_they_have(
    photos: Path, tmp_path: Path, gray: bool, encoding: bytes
) -> None:
    if gray:
        for path in photos.iterdir():
            cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    write_image_folder(open_image_folder(photos, rate=1), tmp_path / "out.mcap", raw=True)
    assert encoding in (tmp_path / "out.mcap").read_bytes()
    with open_recording(tmp_path / "out.mcap") as recording:
        for i, frame in enumerate(recording.frames()):
            np.testing.assert_array_equal(frame.image, read_image(photos / f"image_{i}.png"))


def test_damaged_images_are_left_out_and_counted(photos: Path, tmp_path: Path) -> None:
    (photos / "image_3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    seen: list[None] = []
    skips = write_image_folder(
        open_image_folder(photos, rate=1), tmp_path / "out.mcap", on_image=lambda: seen.append(None)
    )
    assert len(seen) == 12
    assert skips.total == 1
    assert "image_3.png" in str(skips)
    assert numbers(tmp_path / "out.mcap") == [0, 1, 2, *range(4, 12)]


def test_a_calibration_goes_with_every_image(photos: Path, tmp_path: Path) -> None:
    (photos / "sensor.yaml").write_text(
        "%YAML:1.0\nresolution: [32, 24]\nintrinsics: [20, 21, 15.5, 11.5]\n"
        "distortion_model: radial-tangential\ndistortion_coefficients: [-0.3, 0.07, 0, 0]\n"
    )
    write_image_folder(open_image_folder(photos, rate=1), tmp_path / "out.mcap")
    with open_recording(tmp_path / "out.mcap") as recording:
        frame = next(iter(recording.frames()))
    assert frame.intrinsics is not None
    np.testing.assert_array_equal(frame.intrinsics.matrix, [[20, 0, 15.5], [0, 21, 11.5], [0, 0, 1]])


@pytest.mark.parametrize(
    ("poses", "rate", "sentence"),
    [
        (None, None, r"--rate"),
        (None, 0.0, "not possible"),
        (None, -2.0, "not possible"),
        (None, float("nan"), "not possible"),
        ("stamp,x,y,yaw\n1,2,3,4\n", 1.0, "fit no images that are stamped by a rate"),
        ("stamp,x,y,yaw\n1,2,3,4\n", None, r"--rate"),
        ("image,x,y,yaw\nmissing.png,2,3,4\n", 1.0, r"missing\.png is listed but lies in none"),
        ("image,x,y,yaw\nnotes.txt,2,3,4\n", 1.0, r"neither a \.jpg nor a \.png"),
        ("x,y,yaw\n2,3,4\n", None, r"--rate"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    photos: Path, tmp_path: Path, poses: str | None, rate: float | None, sentence: str
) -> None:
    (photos / "notes.txt").write_text("hello")
    path = tmp_path / "poses.csv"
    if poses is not None:
        path.write_text(poses)
    with pytest.raises(BagError, match=sentence):
        open_image_folder(photos, poses=path if poses is not None else None, rate=rate)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="there is no folder"):
        open_image_folder(tmp_path / "missing")
    with pytest.raises(BagError, match=r"no \.jpg or \.png images"):
        open_image_folder(tmp_path)


def test_the_robot_run_comes_back_equal(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "robot_run"
    content = open_image_folder(folder, poses=folder / "poses.csv", rate=1)
    write_image_folder(content, tmp_path / "run.mcap")
    rows = np.genfromtxt(folder / "poses.csv", delimiter=",", skip_header=1, usecols=(1, 2, 3))
    with open_recording(tmp_path / "run.mcap") as recording:
        for i, frame in enumerate(recording.frames()):
            np.testing.assert_array_equal(frame.image, read_image(folder / "images" / f"image_{i}.png"))
            assert frame.pose is not None
            np.testing.assert_allclose([*frame.pose[:2, 3], yaw_of(frame.pose)], rows[i], atol=1e-9)
        assert i == 71
        assert not recording.skips


@pytest.mark.slow
@pytest.mark.parametrize("raw", [False, True])
def test_euroc_comes_back_equal(shared_data: Path, tmp_path: Path, raw: bool) -> None:
    folder = shared_data / "euroc_micro"
    write_image_folder(open_image_folder(folder), tmp_path / "euroc.db3", raw=raw)
    images = sorted((folder / "cam0" / "data").iterdir())
    with open_recording(tmp_path / "euroc.db3") as recording:
        for path, frame in zip(images, recording.frames(), strict=True):
            assert frame.stamp_ns == int(path.stem)
            np.testing.assert_array_equal(frame.image, read_image(path))
            assert frame.pose is None
            assert frame.intrinsics is not None
            assert frame.intrinsics.matrix[0, 0] == 458.654
