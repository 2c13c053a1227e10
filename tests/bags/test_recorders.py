"""Recordings as recorders and people leave them: edited metadata, foreign channels, other generations."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from a2gc_ros.bags.image_folder import open_image_folder, write_image_folder
from a2gc_ros.bags.recording import open_recording
from a2gc_ros.errors import BagError

MAGIC = b"\x89MCAP0\r\n"


def edited(scene: Any, change: Any) -> Path:
    """A folder with metadata.yaml, after a change to its content."""
    folder = Path(scene.write("run"))
    file = folder / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    change(content["rosbag2_bagfile_information"])
    file.write_text(yaml.safe_dump(content))
    return folder


def other_quality_of_service(entries: dict[str, Any]) -> None:
    for topic in entries["topics_with_message_count"]:
        topic["topic_metadata"]["offered_qos_profiles"] = [{"history": 1, "depth": 10, "reliability": "best_effort"}]


def no_quality_of_service(entries: dict[str, Any]) -> None:
    for topic in entries["topics_with_message_count"]:
        topic["topic_metadata"]["offered_qos_profiles"] = "- history: [3\n  nonsense"


def other_topics(entries: dict[str, Any]) -> None:
    entries["topics_with_message_count"] = []
    entries["message_count"] = 0


@pytest.mark.parametrize("change", [other_quality_of_service, no_quality_of_service, other_topics])
def test_the_files_are_believed_where_the_metadata_was_edited(scene: Any, change: Any) -> None:
    with open_recording(edited(scene, change)) as recording:
        frames = list(recording.frames())
    assert [frame.stamp_ns for frame in frames] == [scene.stamp(i) for i in range(scene.count)]
    assert all(frame.pose is not None for frame in frames)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"relative_file_paths": []}, "lists no files"),
        ({"relative_file_paths": ["run.mcap", "more.mcap"]}, "lacks more.mcap"),
        ({"relative_file_paths": 7}, "lists no files"),
        ({}, "lists no files"),
    ],
)
def test_metadata_that_names_no_files_is_refused(scene: Any, content: dict[str, Any], sentence: str) -> None:
    folder = Path(scene.write("run"))
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": content}))
    with pytest.raises(BagError, match=sentence):
        open_recording(folder)


@pytest.mark.parametrize("text", ["a: [1\nb", "\x00", "- 1", "&a [*a, *a]", ""])
def test_metadata_that_is_none_is_refused(scene: Any, text: str) -> None:
    folder = Path(scene.write("run"))
    (folder / "metadata.yaml").write_text(text)
    with pytest.raises(BagError, match=r"metadata.yaml is damaged"):
        open_recording(folder)


def test_what_a_killed_recorder_left_in_sqlites_log_is_not_missed(scene: Any) -> None:
    path = scene.write("run.db3")
    with contextlib.closing(sqlite3.connect(path)) as recorder, contextlib.closing(sqlite3.connect(path)) as other:
        recorder.execute("PRAGMA journal_mode = WAL")
        recorder.execute("CREATE TABLE more (x)")
        recorder.commit()
        other.execute("SELECT count(*) FROM messages").fetchone()
        with pytest.raises(BagError, match=r"messages in run\.db3-wal"):
            open_recording(path)
    with open_recording(path) as recording:
        assert len(list(recording.frames())) == scene.count


def record(op: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack("<BQ", op, len(content)) + content


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def mcap(profile: str, messages: list[tuple[str, str, str, str, bytes]], *, indexed: bool) -> bytes:
    """An MCAP file of (topic, type, schema encoding, message encoding, data), with or without a summary."""
    head = MAGIC + record(1, text(profile), text("test"))
    described, body = b"", b""
    for number, (topic, kind, schema, encoding, data) in enumerate(messages, start=1):
        described += record(3, struct.pack("<H", number), text(kind), text(schema), text(""))
        described += record(4, struct.pack("<HH", number, number), text(topic), text(encoding), text(""))
        body += record(5, struct.pack("<HIQQ", number, 0, number, number), data)
    data = head + described + body + record(15, struct.pack("<I", 0))
    summary = described if indexed else b""
    start = len(data) if indexed else 0
    return data + summary + record(2, struct.pack("<QQI", start, 0, 0)) + MAGIC


@pytest.mark.parametrize("indexed", [True, False])
def test_channels_of_other_makes_are_left_alone(message_writer: Any, tmp_path: Path, indexed: bool) -> None:
    writer = message_writer
    image = writer.new(
        "sensor_msgs/msg/Image",
        header=writer.header(5),
        height=2,
        width=2,
        encoding="mono8",
        is_bigendian=0,
        step=2,
        data=np.arange(4, dtype=np.uint8),
    )
    data = bytes(writer.store.serialize_cdr(image, "sensor_msgs/msg/Image"))
    path = tmp_path / "mixed.mcap"
    path.write_bytes(
        mcap(
            "ros2",
            [
                ("/log", "foxglove.Log", "jsonschema", "json", b'{"a": 1}'),
                ("/cam/image_raw", "sensor_msgs/msg/Image", "ros2msg", "cdr", data),
                ("/bytes", "other", "flatbuffer", "flatbuffer", b"\0"),
            ],
            indexed=indexed,
        )
    )
    with open_recording(path) as recording:
        assert [topic.name for topic in recording.topics] == ["/cam/image_raw"]
        assert [frame.stamp_ns for frame in recording.frames()] == [5]
        assert len(list(recording.messages())) == 1


@pytest.mark.parametrize("profile", ["ros1", "", "px4"])
def test_other_profiles_are_not_supported_rather_than_damaged(tmp_path: Path, profile: str) -> None:
    path = tmp_path / "old.mcap"
    path.write_bytes(mcap(profile, [], indexed=False))
    with pytest.raises(BagError, match="is not supported") as caught:
        open_recording(path)
    assert "damaged" not in str(caught.value)


def test_a_recording_without_one_image_of_use_says_what_it_has(message_writer: Any) -> None:
    with message_writer as writer:
        for second in (1, 2, 3):
            writer.image(second * 10**9, topic="/cam/image_raw", encoding="sepia")
    with open_recording(message_writer.path) as recording:
        for workers in (0, 2):
            with pytest.raises(BagError, match=r"no usable image on /cam/image_raw .*3 messages.*'sepia' is not known"):
                list(recording.frames(workers=workers))


def test_a_window_without_an_image_is_told_as_one(scene: Any) -> None:
    with open_recording(scene.write()) as recording, pytest.raises(BagError, match="between the chosen seconds"):
        list(recording.frames(start=100.0))


def test_poses_of_another_time_are_told(scene: Any) -> None:
    from a2gc_ros.bags.trajectory import Trajectory

    with open_recording(scene.write()) as recording:
        assert list(recording.frames(trajectory=Trajectory.from_poses([(5, scene.pose(0)), (6, scene.pose(1))])))
        assert any("other times than the images" in note for note in recording.notes)


def test_a_folder_whose_pictures_are_all_damaged_makes_no_recording(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jpg").write_bytes(b"\xff\xd8\xff no picture")
    out = tmp_path / "out.mcap"
    with pytest.raises(BagError, match="none of the 1 images can be decoded"):
        write_image_folder(open_image_folder(tmp_path / "in", rate=1.0), out)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_the_camera_says_counts_from_when_it_says_it(message_writer: Any) -> None:
    """A camera that is switched to another window in mid-run."""
    with message_writer as writer:
        for second, width in ((1, 32), (2, 32), (3, 16), (4, 16)):
            roi = writer.new(
                "sensor_msgs/msg/RegionOfInterest",
                x_offset=0 if width == 32 else 8,
                y_offset=0,
                height=24,
                width=width,
                do_rectify=False,
            )
            writer.message(
                "/cam/camera_info",
                "sensor_msgs/msg/CameraInfo",
                second * 10**9,
                header=writer.header(second * 10**9),
                height=24,
                width=32,
                distortion_model="plumb_bob",
                d=np.zeros(5),
                k=np.array([20.0, 0, 15.5, 0, 20, 11.5, 0, 0, 1]),
                r=np.eye(3).ravel(),
                p=np.zeros(12),
                binning_x=0,
                binning_y=0,
                roi=roi,
            )
            data = np.zeros(24 * width * 3, np.uint8)
            writer.image(second * 10**9 + 1, topic="/cam/image_raw", width=width, step=3 * width, data=data)
    with open_recording(message_writer.path) as recording:
        centers = [frame.intrinsics.matrix[0, 2] for frame in recording.frames(workers=2) if frame.intrinsics]
        assert centers == [15.5, 15.5, 7.5, 7.5]
        assert recording.notes == ()
