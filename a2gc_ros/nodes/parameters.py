"""The parameters of the place recognition node, in one table: docs/ros.md is checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from a2gc_ros.extract.backends.catalogue import backend_names
from a2gc_ros.extract.choose import PrecisionChoice
from a2gc_ros.extract.engines.key import EngineOptions
from a2gc_ros.images.calibration import RECTIFICATIONS, Rectification
from a2gc_ros.images.camera_options import CameraOptions
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.local_features import FEATURES
from a2gc_ros.nodes.base.parameter import LOOKS_AHEAD, Parameter, checked
from a2gc_ros.shipped import DEFAULT_MODEL

StampChoice: TypeAlias = Literal["auto", "header", "arrival"]

ImageConversion: TypeAlias = Literal["auto", "cv_bridge", "own"]


LOOP_PREFIX = "loop."


def _loop_parameters() -> tuple[Parameter, ...]:
    """The settings of loop detection, with the descriptions and ranges they carry."""
    parameters = []
    for setting in fields(LoopConfig):
        default: Any = setting.default
        numeric = isinstance(default, (int, float)) and not isinstance(default, bool)
        parameters.append(
            Parameter(
                LOOP_PREFIX + setting.name,
                default,
                setting.metadata["help"],
                setting.metadata["low"] if numeric else None,
                setting.metadata["high"] if numeric else None,
                tuple(FEATURES) if setting.name == "features" else (),
            )
        )
    return tuple(parameters)


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("autostart", True, "Configure and activate at the start, without a lifecycle manager.", change="never"),
    Parameter("model", DEFAULT_MODEL, "Name of a shipped model, or path of an .onnx file."),
    Parameter(
        "backend",
        "auto",
        "Inference runtime; auto takes the fastest that is installed and runs here.",
        choices=backend_names(),
    ),
    Parameter(
        "fallback",
        False,
        "Where the backend that was asked for cannot run, take the next with a warning instead of refusing.",
    ),
    Parameter(
        "precision",
        "auto",
        "Arithmetic of the runtime; auto is fp32, or int8 for a quantized model.",
        choices=get_args(PrecisionChoice),
    ),
    Parameter(
        "search",
        "cpu",
        "Where loaded maps are searched: cpu, or gpu (needs faiss-gpu); with `fallback` the CPU where that cannot.",
        choices=("cpu", "gpu"),
    ),
    Parameter("threads", 0, "CPU threads; 0 takes all cores.", 0, 256),
    Parameter("engine_cache", "", "Folder of TensorRT's engines; empty takes a2gc_ros/engines in your cache folder."),
    Parameter("engine_workspace", 0, "Scratch memory for building an engine, in MiB; 0 sets no limit.", 0, 1000000),
    Parameter("dla_core", -1, "DLA core of a Jetson to run TensorRT on; -1 is the GPU.", -1, 7),
    Parameter("image_topic", "image", "Topic of the images; remapping `image` does the same."),
    Parameter(
        "image_transport",
        "auto",
        "Which images to subscribe: raw, compressed (beside the raw topic, under /compressed), or auto for those that "
        "somebody publishes.",
        choices=("auto", "raw", "compressed"),
    ),
    Parameter(
        "camera_info_topic",
        "",
        "Topic of the calibration; empty takes the one beside the images, as image_transport has it, unless "
        "`camera_info` is remapped.",
    ),
    Parameter(
        "image_conversion",
        "auto",
        "What turns raw images into pixels: cv_bridge, own, or auto for cv_bridge where its pixels agree with ours.",
        choices=get_args(ImageConversion),
    ),
    Parameter("odom_topic", "odom", "Topic of the odometry; remapping `odom` does the same."),
    Parameter(
        "odometry_source",
        "auto",
        "Where the robot's poses come from: topic (odometry), tf, or auto for tf where nobody publishes the topic.",
        choices=("auto", "topic", "tf"),
    ),
    Parameter(
        "rectification",
        "auto",
        "Whether the images are raw or rectified, so which part of camera_info is theirs; auto takes it from the "
        "topic's name, and raw where that says nothing.",
        choices=RECTIFICATIONS,
    ),
    Parameter(
        "sensor_bits",
        0,
        "How many of 16 bits the samples of mono16 and 16-bit mosaics use, 8 to 16; 0 takes what each image shows.",
        0,
        16,
    ),
    Parameter(
        "stamps",
        "auto",
        "Which time images and odometry have: header, arrival, or auto for the header's, and that of arrival where the "
        "header's is zero or stands still.",
        choices=get_args(StampChoice),
    ),
    Parameter(
        "rate",
        0.0,
        "Most images per second to work on, by header stamps; 0 works on every image.",
        0.0,
        1000.0,
        change="anytime",
    ),
    Parameter("depth", False, "Subscribe to depth images registered to the camera, for poses in metres."),
    Parameter("depth_topic", "depth", "Topic of the depth images; remapping `depth` does the same."),
    Parameter("maps", (), "Place maps to relocalize against, .a2gc files, opened read only."),
    Parameter("live_map", "", "File in which this run's keyframes are kept; empty keeps them in memory."),
    Parameter("session_name", "", "Name of this run in the live map; empty takes the UTC time of the start."),
    Parameter(
        "map_directory",
        "",
        "Folder of relative map paths, in parameters and services alike; empty is the folder the node was started in.",
    ),
    Parameter("map_frame", "map", "Frame of relocalization_pose and of the loaded maps' poses."),
    Parameter("odom_frame", "odom", "Fixed frame of the poses from /tf, and of the markers where odometry names none."),
    Parameter(
        "base_frame",
        "",
        "Frame that the poses from /tf move; empty takes base_link, base_footprint or, without either, the camera's.",
    ),
    Parameter(
        "odometry_timeout",
        0.1,
        "Seconds an image waits for odometry that has not caught up with its stamp.",
        0.0,
        5.0,
    ),
    Parameter(
        "camera_pose",
        LOOKS_AHEAD,
        "Camera (optical frame) in the robot's base: x, y, z in metres, roll, pitch, yaw in radians; "
        "used where /tf_static does not tell it; the default looks ahead.",
    ),
    Parameter(
        "bridges",
        (),
        "Back ends to speak to: lio_sam, rtabmap, hydra, kimera_pgmo, initialpose; docs/slam.md tells what each needs.",
    ),
    Parameter(
        "silence_timeout",
        5.0,
        "Seconds without an image after which the node looks for the cause and says it.",
        0.5,
        3600.0,
        change="anytime",
    ),
    Parameter("diagnostics_period", 1.0, "Seconds between messages on /diagnostics.", 0.1, 60.0),
    *_loop_parameters(),
)
"""Every parameter of the node, in the order of the documentation."""


@dataclass(frozen=True)
class NodeSettings:
    """Values of :data:`PARAMETERS`, checked; the fields carry the parameters' names, `loop` those of detection.

    What may be set at any time, and what the lifecycle needs, is read from the node.
    """

    model: str
    backend: str
    fallback: bool
    precision: str
    search: str
    threads: int
    engine_cache: str
    engine_workspace: int
    dla_core: int
    image_topic: str
    image_transport: str
    camera_info_topic: str
    image_conversion: ImageConversion
    odom_topic: str
    odometry_source: str
    rectification: Rectification
    sensor_bits: int
    stamps: str
    rate: float
    depth: bool
    depth_topic: str
    maps: tuple[str, ...]
    live_map: str
    session_name: str
    map_directory: str
    map_frame: str
    odom_frame: str
    base_frame: str
    odometry_timeout: float
    camera_pose: tuple[float, ...]
    bridges: tuple[str, ...]
    loop: LoopConfig

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> NodeSettings:
        """Builds settings from parameter values of the right types.

        Raises:
            ConfigError: If a value is out of range or no choice.
        """
        values = checked(PARAMETERS, values)
        CameraOptions(values["rectification"], values["sensor_bits"])
        detection = LoopConfig(**{setting.name: values[LOOP_PREFIX + setting.name] for setting in fields(LoopConfig)})
        own = {setting.name: values[setting.name] for setting in fields(cls) if setting.name != "loop"}
        return cls(loop=detection, **own)

    @property
    def assumes_camera_pose(self) -> bool:
        """Whether ``camera_pose`` is its default."""
        return self.camera_pose == LOOKS_AHEAD

    @property
    def engine(self) -> EngineOptions:
        """How TensorRT's engines are built, and where they are kept."""
        folder = Path(self.engine_cache).expanduser() if self.engine_cache else None
        return EngineOptions(folder, self.engine_workspace, self.dla_core)

    def map_path(self, path: str) -> Path:
        """Returns where a map lies; relative paths lie in ``map_directory``, by default where the node was started."""
        return (Path(self.map_directory).expanduser() / Path(path).expanduser()).absolute()
