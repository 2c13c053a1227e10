"""What was written is read back: every container, raw and compressed, every source of poses."""

from __future__ import annotations

import contextlib
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a2gc_ros.bags.message_types import IMAGE, TRANSFORMS
from a2gc_ros.bags.recording import open_recording
from a2gc_ros.bags.storage import typestore
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.bags.writer import RecordingWriter
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import inverse

CONTAINERS = ["run.mcap", "run.db3", "run.bag", "run"]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("jpeg_quality", [None, 95])
@pytest.mark.parametrize("source", ["/odom", "/tf", "/ground_truth/pose", "guessed"])
def test_frames_come_back(scene: Any, container: str, jpeg_quality: int | None, source: str) -> None:
    path = scene.write(container, jpeg_quality=jpeg_quality)
    with open_recording(path) as recording:
        frames = list(recording.frames(pose_topic=None if source == "guessed" else source))
        assert recording.skips.total == 0
        assert recording.stamped_on_receipt == 0
    assert [frame.stamp_ns for frame in frames] == [scene.stamp(i) for i in range(scene.count)]
    for i, frame in enumerate(frames):
        if jpeg_quality is None:
            np.testing.assert_array_equal(frame.image, scene.picture(i))
        else:
            assert np.abs(frame.image.astype(int) - scene.picture(i)).mean() < 3
        assert frame.frame_id == "camera"
        assert frame.pose is not None
        np.testing.assert_allclose(frame.pose, scene.pose(i), atol=1e-9)
        assert frame.t_base_camera is not None
        # The mount belongs to the frame that the poses move; stamped poses do not name theirs.
        np.testing.assert_allclose(frame.t_base_camera, scene.mounted, atol=1e-9)
        assert frame.intrinsics is not None
        np.testing.assert_array_equal(frame.intrinsics.matrix, scene.intrinsics.matrix)
        np.testing.assert_array_equal(frame.intrinsics.distortion, scene.intrinsics.distortion)
        assert frame.intrinsics.model == "plumb_bob"


@pytest.mark.parametrize("container", CONTAINERS)
def test_topics_are_listed(scene: Any, container: str) -> None:
    with open_recording(scene.write(container, jpeg_quality=90)) as recording:
        counts = {topic.name: topic.count for topic in recording.topics}
        assert counts == {
            "/camera/camera_info": scene.count,
            "/camera/image_raw/compressed": scene.count,
            "/ground_truth/pose": scene.count,
            "/odom": scene.count + 1,
            "/tf": scene.count + 1,
            "/tf_static": 1,
        }
        assert [topic.name for topic in recording.topics if topic.is_image] == ["/camera/image_raw/compressed"]
        assert recording.image_topic().count == scene.count
        assert recording.duration == pytest.approx((scene.count + 0.5) * 0.1)
        assert recording.start_ns == scene.stamp(-1)


def test_each_container_is_what_its_name_says(scene: Any, tmp_path: Path) -> None:
    for container in CONTAINERS:
        scene.write(container)
    assert (tmp_path / "run.mcap").read_bytes().startswith(b"\x89MCAP")
    assert (tmp_path / "run.db3").read_bytes().startswith(b"SQLite format 3")
    assert (tmp_path / "run.bag").read_bytes().startswith(b"#ROSBAG V2.0")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["metadata.yaml", "run.mcap"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.bag", "run.db3", "run.mcap"]


def test_a_compressed_mcap_is_smaller_and_equal(scene: Any) -> None:
    plain, compressed = scene.write("plain.mcap"), scene.write("small.mcap", compress=True)
    assert compressed.stat().st_size < 0.8 * plain.stat().st_size
    with open_recording(plain) as a, open_recording(compressed) as b:
        for one, other in zip(a.frames(), b.frames(), strict=True):
            np.testing.assert_array_equal(one.image, other.image)


def test_a_folder_without_metadata_is_read(scene: Any, tmp_path: Path) -> None:
    """A recorder that was killed leaves storage files and no metadata.yaml."""
    folder = scene.write("run")
    (folder / "metadata.yaml").unlink()
    shutil.copy(scene.write("later.mcap"), folder / "run_1.mcap")
    with open_recording(folder) as recording:
        assert recording.image_topic().count == 2 * scene.count
        stamps = [frame.stamp_ns for frame in recording.frames()]
    assert stamps == sorted(2 * [scene.stamp(i) for i in range(scene.count)])


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_change_nothing(scene: Any, workers: int) -> None:
    with open_recording(scene.write(jpeg_quality=90)) as recording:
        expected = list(recording.frames(workers=0))
        found = list(recording.frames(workers=workers))
    assert [frame.stamp_ns for frame in found] == [frame.stamp_ns for frame in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_iteration_can_be_left_and_begun_again(scene: Any, workers: int) -> None:
    with open_recording(scene.write()) as recording:
        assert len(list(islice(recording.frames(workers=workers), 2))) == 2
        assert len(list(recording.frames(workers=workers))) == scene.count


@pytest.mark.parametrize(
    ("start", "stop", "expected"), [(0.25, None, [2, 3, 4, 5]), (None, 0.35, [0, 1, 2]), (0.3, 0.4, [2])]
)
def test_a_part_of_the_recording(scene: Any, start: float | None, stop: float | None, expected: list[int]) -> None:
    """Seconds count from the first message of all, the static transform one period before the first image."""
    with open_recording(scene.write()) as recording:
        stamps = [frame.stamp_ns for frame in recording.frames(start=start, stop=stop)]
    assert stamps == [scene.stamp(i) for i in expected]


def test_reduced_images_have_reduced_intrinsics(scene: Any) -> None:
    with open_recording(scene.write(jpeg_quality=95)) as recording:
        frame = next(iter(recording.frames(max_size=(12, 16))))
    assert frame.image.shape == (12, 16, 3)
    assert frame.intrinsics is not None
    np.testing.assert_allclose(frame.intrinsics.matrix, [[10, 0, 7.5], [0, 10.5, 5.5], [0, 0, 1]])


def test_nothing_is_read_that_was_not_asked_for(scene: Any) -> None:
    with open_recording(scene.write()) as recording:
        frame = next(iter(recording.frames(pose_topic="", info_topic="")))
    assert frame.pose is None
    assert frame.intrinsics is None


def test_a_trajectory_from_elsewhere_replaces_the_topics(scene: Any) -> None:
    elsewhere = Trajectory.from_poses([(scene.stamp(0), scene.pose(10)), (scene.stamp(3), scene.pose(13))])
    with open_recording(scene.write()) as recording:
        frames = list(recording.frames(trajectory=elsewhere))
    for i, frame in enumerate(frames):
        if i > 3:
            assert frame.pose is None
        else:
            np.testing.assert_allclose(frame.pose, scene.pose(10 + i), atol=1e-9)


def test_transforms_reach_the_frame_that_is_named(scene: Any) -> None:
    with open_recording(scene.write()) as recording:
        camera = next(iter(recording.frames(pose_topic="/tf", base_frame="camera")))
        turned = next(iter(recording.frames(pose_topic="/tf", fixed_frame="camera", base_frame="odom")))
        with pytest.raises(BagError, match="no frame wheel; they hold base_link, camera, odom"):
            recording.frames(pose_topic="/tf", base_frame="wheel")
    np.testing.assert_allclose(camera.pose, scene.pose(0) @ scene.mounted, atol=1e-9)
    np.testing.assert_array_equal(camera.t_base_camera, np.eye(4))
    assert turned.t_base_camera is None
    np.testing.assert_allclose(turned.pose, inverse(scene.pose(0) @ scene.mounted), atol=1e-9)


@pytest.mark.parametrize("container", CONTAINERS)
def test_raw_messages_are_cdr_in_order_of_receipt(scene: Any, container: str) -> None:
    with open_recording(scene.write(container)) as recording:
        messages = list(recording.messages())
        one_topic = list(recording.messages(["/odom"], start=0.1, stop=0.3))
        assert recording.skips.total == 0
    assert len(messages) == 5 * scene.count + 3
    stamps = [message.stamp_ns for message in messages]
    assert stamps == sorted(stamps)
    assert [message.topic for message in one_topic] == ["/odom", "/odom"]
    images: list[Any] = [typestore(2).deserialize_cdr(m.data, m.type) for m in messages if m.type == IMAGE]
    np.testing.assert_array_equal(images[2].data, scene.picture(2).reshape(-1))
    transforms: list[Any] = [typestore(2).deserialize_cdr(m.data, m.type) for m in messages if m.type == TRANSFORMS]
    assert transforms[0].transforms[0].child_frame_id == "camera"


def test_after_an_exception_nothing_is_left(scene: Any, tmp_path: Path) -> None:
    for container in CONTAINERS:
        with contextlib.suppress(KeyError), RecordingWriter(tmp_path / container) as writer:
            writer.add_image(scene.start_ns, scene.picture(0))
            raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["run.mcap", "run"])
def test_nothing_is_overwritten(scene: Any, name: str) -> None:
    path = scene.write(name)
    with pytest.raises(BagError, match="exists; remove it"):
        RecordingWriter(path)


@pytest.mark.parametrize("stamp_ns", [-1, 2**31 * 10**9])
def test_stamps_that_no_message_can_hold_are_refused(scene: Any, tmp_path: Path, stamp_ns: int) -> None:
    with RecordingWriter(tmp_path / "run.mcap") as writer, pytest.raises(BagError, match="does not fit a message"):
        writer.add_image(stamp_ns, scene.picture(0))


def test_unknown_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"must end in \.mcap, \.db3 or \.bag"):
        RecordingWriter(tmp_path / "run.zip")
    assert list(tmp_path.iterdir()) == []
