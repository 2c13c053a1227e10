"""Damaged messages are counted and skipped; damaged and foreign files are refused with a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2gc_ros.bags.recording import open_recording
from a2gc_ros.errors import BagError

IMAGE = "sensor_msgs/msg/Image"
SECOND = 10**9
BAD_IMAGES: dict[str, dict[str, Any]] = {
    "carries": {"data": np.zeros(7, np.uint8)},
    "not known": {"encoding": "sepia"},
    "depth image": {"encoding": "16UC1"},
    "no pixels": {"height": 0},
    "million pixels": {"height": 2**32 - 1, "width": 2**32 - 1, "step": 2**32 - 1},
    "its step is 3": {"step": 3},
}


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_are_counted_with_their_reasons(message_writer: Any, workers: int) -> None:
    with message_writer as writer:
        writer.image(1 * SECOND)
        for i, change in enumerate(BAD_IMAGES.values()):
            writer.image((2 + i) * SECOND, **change)
            writer.image((2 + i) * SECOND + 1, **change)
        writer.raw("/image", IMAGE, 50 * SECOND, b"")
        writer.raw("/image", IMAGE, 51 * SECOND, b"\0\1\0\0 nothing like an image")
        writer.image(60 * SECOND)
    with open_recording(message_writer.path) as recording:
        stamps = [frame.stamp_ns for frame in recording.frames(workers=workers)]
        skips = recording.skips
    assert stamps == [1 * SECOND, 60 * SECOND]
    assert skips.total == 2 * len(BAD_IMAGES) + 2
    for reason in BAD_IMAGES:
        assert [count for text, count in skips.reasons.items() if reason in text] == [2], reason
    assert skips.reasons["/image: a message is not a valid sensor_msgs/msg/Image"] == 2
    assert all(text.startswith("/image: ") for text in skips.reasons)


def test_reasons_are_bounded(message_writer: Any) -> None:
    with message_writer as writer:
        for i in range(50):
            writer.image((1 + i) * SECOND, data=np.zeros(i, np.uint8))
    with open_recording(message_writer.path) as recording:
        with pytest.raises(BagError, match=r"no usable image .*50 messages\): 30 x other reasons; 1 x /image: "):
            list(recording.frames())
        assert recording.skips.total == 50
        assert len(recording.skips.reasons) == 21
        assert recording.skips.reasons["other reasons"] == 30


@pytest.mark.parametrize("workers", [0, 2])
def test_time_of_receipt_stands_in_for_a_missing_stamp_only(message_writer: Any, workers: int) -> None:
    with message_writer as writer:
        writer.image(10 * SECOND, header_ns=0)
        writer.image(11 * SECOND, header_ns=5 * SECOND)
        writer.image(12 * SECOND, header_ns=0)
    with open_recording(message_writer.path) as recording:
        stamps = [frame.stamp_ns for frame in recording.frames(workers=workers)]
        assert stamps == [10 * SECOND, 5 * SECOND, 12 * SECOND]
        assert recording.stamped_on_receipt == 2


def test_padded_and_bigendian_messages_are_read(message_writer: Any) -> None:
    gray = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80
    data = np.pad(gray.astype(">u2").view(np.uint8), ((0, 0), (0, 6)), constant_values=255)
    with message_writer as writer:
        writer.image(SECOND, encoding="mono16", is_bigendian=1, step=70, data=data.reshape(-1))
    with open_recording(message_writer.path) as recording:
        image = next(iter(recording.frames())).image
    np.testing.assert_array_equal(image[..., 0], np.rint(gray * (255 / 65535)))


@pytest.mark.parametrize(
    ("rotation", "position", "reason"),
    [
        ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), "quaternion"),
        ((0.0, 0.0, 0.0, np.nan), (0.0, 0.0, 0.0), "quaternion"),
        ((0.0, 0.0, 0.0, 1e200), (0.0, 0.0, 0.0), "quaternion"),
        ((0.0, 0.0, 0.0, 1.0), (np.nan, 0.0, 0.0), "not finite"),
        ((0.0, 0.0, 0.0, 1.0), (1e200, 0.0, 0.0), "m away"),
        ((0.0, 0.0, 0.0, 1.0), (0.0, -1e256, 0.0), "m away"),
    ],
)
def test_bad_poses_are_counted(
    message_writer: Any, rotation: tuple[float, ...], position: tuple[float, ...], reason: str
) -> None:
    with message_writer as writer:
        writer.image(2 * SECOND)
        for stamp_ns, q, t in (
            (1 * SECOND, (0.0, 0.0, 0.0, 1.0), (4.0, 5.0, 6.0)),
            (2 * SECOND, rotation, position),
            (3 * SECOND, (0.0, 0.0, 0.0, 1.0), (6.0, 5.0, 4.0)),
        ):
            pose = writer.new(
                "geometry_msgs/msg/Pose",
                position=writer.new("geometry_msgs/msg/Point", **dict(zip("xyz", t, strict=True))),
                orientation=writer.new("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", q, strict=True))),
            )
            writer.message(
                "/pose", "geometry_msgs/msg/PoseStamped", stamp_ns, header=writer.header(stamp_ns), pose=pose
            )
    with open_recording(message_writer.path) as recording:
        frame = next(iter(recording.frames()))
        assert reason in str(recording.skips)
        assert recording.skips.total == 1
    assert frame.pose is not None
    np.testing.assert_allclose(frame.pose[:3, 3], (5, 5, 5))


def test_an_uncalibrated_camera_has_no_intrinsics(message_writer: Any) -> None:
    with message_writer as writer:
        writer.image(SECOND, topic="/cam/image_raw")
        roi = writer.new(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        writer.message(
            "/cam/camera_info",
            "sensor_msgs/msg/CameraInfo",
            SECOND,
            header=writer.header(SECOND),
            height=24,
            width=32,
            distortion_model="",
            d=np.zeros(0),
            k=np.zeros(9),
            r=np.zeros(9),
            p=np.zeros(12),
            binning_x=0,
            binning_y=0,
            roi=roi,
        )
    with open_recording(message_writer.path) as recording:
        assert next(iter(recording.frames())).intrinsics is None


def test_a_recording_without_messages_is_not_an_error_until_images_are_wanted(message_writer: Any) -> None:
    with message_writer:
        pass
    with open_recording(message_writer.path) as recording:
        assert recording.topics == ()
        assert recording.duration == 0
        assert list(recording.messages()) == []
        with pytest.raises(BagError, match="no color or gray images; it has no topics at all"):
            recording.frames()


@pytest.mark.parametrize("container", ["run.mcap", "run.db3", "run.bag"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused_or_read_in_part(scene: Any, container: str, share: float) -> None:
    """SQLite finds out only when it reaches the missing pages; what lies before them is read."""
    path = scene.write(container)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    try:
        with open_recording(path) as recording:
            found = len(list(recording.frames()))
            told = str(recording.skips)
    except BagError:
        return
    assert container == "run.db3"
    assert found < scene.count
    assert "is damaged and cannot be read any further" in told


@pytest.mark.parametrize("name", ["run.mcap", "run.db3", "run.bag"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", bytes(5000), b"\x89MCAP0\r\n" * 9, b"SQLite format 3\0" + bytes(4096)]
)
def test_foreign_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BagError, match=f"{name} is damaged or not a recording"):
        open_recording(path)


def test_what_is_no_recording_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BagError, match="there is no recording at"):
        open_recording(tmp_path / "missing.mcap")
    with pytest.raises(BagError, match="holds no recording"):
        open_recording(tmp_path)
    with pytest.raises(BagError, match="is not a recording; known are"):
        open_recording(tmp_path / "notes.txt")
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 5}")
    with pytest.raises(BagError, match="damaged or not a recording"):
        open_recording(tmp_path)


@pytest.mark.parametrize("container", ["run.mcap", "run.db3", "run.bag"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_raise_nothing_but_bag_errors(scene: Any, container: str, changes: list[tuple[int, int]]) -> None:
    original, damaged = scene.folder / f"original_{container}", scene.folder / container
    if not original.exists():
        shutil.move(scene.write(container), original)
    data = bytearray(original.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    damaged.write_bytes(data)
    try:
        with open_recording(damaged) as recording:
            assert len(list(recording.frames())) <= scene.count
            assert len(list(recording.messages())) <= 5 * scene.count + 3
    except BagError:
        return
