"""What a place map holds, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from a2gc_ros.geometry import Pose


class Model(Protocol):
    """Whose descriptors a map holds; a :class:`a2gc_ros.extract.spec.ModelSpec` is one."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def fingerprint(self) -> str:
        """sha256 of all that its descriptors depend on."""

    @property
    def descriptor_dim(self) -> int:
        """Length of its descriptors."""


@dataclass(frozen=True)
class Manifest:
    """What a map says about itself.

    Attributes:
        fingerprint: The extractor's fingerprint; descriptors of another extractor never enter this map.
        descriptor_dim: Length D of every descriptor.
        model_name: The extractor's name, for people.
        uuid: Identity of this map; left empty it is drawn at creation.
        created_ns: Wall-clock time of creation, nanoseconds since the epoch; filled at creation.
        settings: How the map was built (keyframe spacing and the like); JSON values only.
    """

    fingerprint: str
    descriptor_dim: int
    model_name: str = ""
    uuid: str = ""
    created_ns: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Model, settings: dict[str, Any] | None = None) -> Manifest:
        """Returns the manifest of a new map for a model's descriptors, such as ``extractor.spec``."""
        return cls(model.fingerprint, model.descriptor_dim, model.name, settings=settings or {})


@dataclass(frozen=True)
class Session:
    """One continuous run of a robot; poses are comparable within it.

    Attributes:
        id: Unique in the map.
        name: For people.
        source: Identity of the recording, or what made it live.
        uuid: Identity of the run, in whatever map it lies.
    """

    id: int
    name: str
    source: str
    uuid: str


@dataclass(frozen=True)
class Keyframe:
    """A frame that was kept; its descriptor and image are fetched apart.

    Attributes:
        id: Unique in the map and growing in the order of storing.
        session_id: The session it belongs to.
        stamp_ns: Stamp of the image.
        pose: ``t_odom_base`` at the stamp, or None where no odometry was known.
        path_length: Metres travelled since the session began, or None without odometry.
        frame_id: The camera's frame.
        intrinsics_json: Calibration of the camera as JSON, or None.
        t_base_camera: Pose of the camera's optical frame in the robot's base, or None where it was not known.
    """

    id: int
    session_id: int
    stamp_ns: int
    pose: Pose | None
    path_length: float | None
    frame_id: str = ""
    intrinsics_json: str | None = None
    t_base_camera: Pose | None = None


@dataclass(frozen=True)
class FeatureBlob:
    """Local features as bytes; what they mean is the affair of whoever compares them.

    Attributes:
        kind: Names the features and how they are written; others are never compared with them.
        data: The bytes.
    """

    kind: str
    data: bytes


@dataclass(frozen=True)
class NewKeyframe:
    """A keyframe on its way into a map.

    Attributes:
        stamp_ns: Stamp of the image.
        descriptor: float32, shape (D,), L2-normalized.
        pose: ``t_odom_base``, or None.
        path_length: Metres since the session began, or None.
        image_jpeg: The image as :func:`a2gc_ros.placemap.thumbnails.encode_jpeg` gives it, or None.
        intrinsics_json: As :func:`a2gc_ros.placemap.thumbnails.intrinsics_json` gives it, or None.
        frame_id: The camera's frame.
        t_base_camera: Pose of the camera's optical frame in the robot's base, or None.
        features: Local features of the image, or None.
    """

    stamp_ns: int
    descriptor: npt.NDArray[Any]
    pose: Pose | None = None
    path_length: float | None = None
    image_jpeg: bytes | None = None
    intrinsics_json: str | None = None
    frame_id: str = ""
    t_base_camera: Pose | None = None
    features: FeatureBlob | None = None
