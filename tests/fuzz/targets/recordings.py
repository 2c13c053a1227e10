"""Recordings, their metadata and their messages."""

from __future__ import annotations

import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from harness import Target, kept_folder, mutated

from a2gc_ros.bags.formats import open_storage
from a2gc_ros.bags.messages import calibration_of, decode_depth, decode_image, image_size, pose_of, sensor_bits_of
from a2gc_ros.bags.recording import open_recording
from a2gc_ros.bags.storage import RawMessage, Storage, typestore
from a2gc_ros.bags.writer import RecordingWriter
from a2gc_ros.errors import A2gcError
from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.images.calibration import fitted
from a2gc_ros.images.frame import CameraIntrinsics

NAMES = ("run.mcap", "run.db3", "run.bag")
CAMERA = CameraIntrinsics(32, 24, np.array([[20.0, 0, 15.5], [0, 21.0, 11.5], [0, 0, 1]]), np.zeros(5))


def written(path: Path) -> Path:
    """A run of four images, with calibration, odometry and transforms."""
    with RecordingWriter(path) as writer:
        writer.add_transform(10**9, np.eye(4), parent="base_link", child="camera", static=True)
        for i in range(4):
            stamp = 10**9 + i * 10**8
            writer.add_odometry(stamp, pose_from_xy_yaw(i, 0.1 * i, 0.2 * i))
            writer.add_camera_info(stamp, CAMERA)
            writer.add_image(stamp, np.full((24, 32, 3), 40 * i, np.uint8), jpeg_quality=80 if i % 2 else None)
    return path


@cache
def recordings() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {name: written(Path(folder) / name).read_bytes() for name in NAMES}


@cache
def metadata() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return (written(Path(folder) / "run") / "metadata.yaml").read_bytes()


def read(path: Path) -> None:
    """Everything that a map or a replay reads of a recording."""
    with open_recording(path) as recording:
        for topic in ("/camera/image_raw", "/camera/image_raw/compressed"):
            try:
                frames = list(recording.frames(topic))
            except A2gcError:
                continue
            assert all(frame.image.ndim == 3 for frame in frames)
            for frame in frames:
                assert frame.pose is None or np.isfinite(frame.pose).all()
        for _ in recording.messages():
            pass
        recording.covariances()
        assert isinstance(recording.duration, float)
        assert all(note for note in recording.notes)


def recording(rng: random.Random, folder: Path) -> None:
    name = rng.choice(NAMES)
    path = folder / name
    path.write_bytes(mutated(rng, recordings()[name], tuple(recordings().values())))
    read(path)


def folder_of(rng: random.Random, folder: Path) -> None:
    run = folder / "run"
    run.mkdir()
    (run / "run.mcap").write_bytes(recordings()["run.mcap"])
    (run / "metadata.yaml").write_bytes(mutated(rng, metadata()))
    read(run)


def from_corpus(file: Path, folder: Path) -> None:
    if file.suffix == ".yaml":
        (folder / "run.mcap").write_bytes(recordings()["run.mcap"])
        (folder / "metadata.yaml").write_bytes(file.read_bytes())
        read(folder)
    else:
        read(file)


@cache
def opened() -> Storage:
    """A storage that lends its parser."""
    return open_storage(written(kept_folder() / "run.mcap"))


@cache
def messages() -> tuple[RawMessage, ...]:
    return tuple(opened().messages())


NUMBERS = (0.0, 1.0, -1.0, np.nan, np.inf, 1e200, 1e256, -1e308, 5e-324, 1e9, 2.0**63)


def message(rng: random.Random, _: Path) -> None:
    chosen = rng.choice(messages())
    data = mutated(rng, bytes(chosen.data), tuple(bytes(other.data) for other in messages()))
    understood(opened().deserialize(RawMessage(chosen.topic, chosen.type, 1, data)), chosen.type)


def numbers(rng: random.Random, _: Path) -> None:
    """Messages that are well formed and whose numbers are not."""
    store = typestore(2)
    chosen = rng.choice([raw for raw in messages() if raw.type.endswith(("Odometry", "CameraInfo", "Image"))])
    content: Any = opened().deserialize(chosen)
    for _attempt in range(rng.choice((1, 1, 2, 5))):
        spoil(rng, content)
    try:
        data = bytes(store.serialize_cdr(content, chosen.type))
    # What does not fit its field cannot be sent.
    except Exception:
        return
    understood(opened().deserialize(RawMessage(chosen.topic, chosen.type, 1, data)), chosen.type)


def spoil(rng: random.Random, content: Any) -> None:
    """Sets one field somewhere inside a message to a number or a text that nobody expects."""
    while True:
        names = [name for name in vars(content) if not name.startswith("_")]
        name = rng.choice(names)
        value = getattr(content, name)
        if hasattr(value, "__dataclass_fields__"):
            content = value
            continue
        if isinstance(value, np.ndarray):
            if value.dtype == np.float64:
                value = value.copy()
                if len(value) and rng.random() < 0.7:
                    value[rng.randrange(len(value))] = rng.choice(NUMBERS)
                elif name == "d":
                    value = np.full(rng.choice((0, 1, 4, 6, 8, 12, 14, 15)), rng.choice((0.0, 0.1)))
            else:
                value = value[: rng.randrange(len(value) + 1)]
        elif isinstance(value, str):
            value = rng.choice(("", "plumb_bob", "fisheye", "nv12", "mono16", "bayer_rggb16", "16UC1", "x" * 3000, "é"))
        elif isinstance(value, float):
            value = float(rng.choice(NUMBERS))
        elif isinstance(value, int):
            value = rng.choice((0, 1, 2, 7, 255, 2**31 - 1, 2**32 - 1))
        setattr(content, name, value)
        return


def understood(content: Any, msgtype: str) -> None:
    if msgtype.endswith("Image"):
        image_size(content, msgtype)
        sensor_bits_of(content, msgtype)
        assert decode_image(content, msgtype).ndim == 3
        if not msgtype.endswith("CompressedImage"):
            decode_depth(content)
    elif msgtype.endswith("CameraInfo"):
        found = fitted(calibration_of(content), 32, 24, "/image_raw").intrinsics
        assert np.isfinite(found.matrix).all()
    elif msgtype.endswith("Odometry"):
        try:
            pose = pose_of(content, msgtype)
        except ValueError:
            return
        assert np.isfinite(pose).all()


def targets() -> list[Target]:
    """Recordings and messages."""
    return [
        Target("recording", recording, 2.0, from_corpus),
        Target("metadata", folder_of, 1.0, from_corpus),
        Target("message", message, 3.0),
        Target("numbers", numbers, 3.0),
    ]
