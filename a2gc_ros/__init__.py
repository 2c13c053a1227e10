"""Visual place recognition for robots: camera images in, trustworthy loop closures out.

Models and images

    open_extractor      a model, by name or file, over the fastest runtime here
    Extractor           images in, descriptors out
    read_image          a file as the RGB pixels that everything here takes

Recordings

    open_recording      a ROS 1 bag, a ROS 2 bag, or an MCAP file
    Recording           its frames, with calibration and poses
    RecordingWriter     images and poses into an MCAP file
    Frame               one image: its stamp, and where known calibration, pose and depth
    CameraIntrinsics    the calibration of a camera

Maps

    PlaceMap            keyframes in one file, searchable by descriptor
    Manifest            what a map says about itself: whose descriptors it holds

Loop closures

    LoopDetector        frames in, one after the other; closures out
    LoopConfig          its settings
    Detection           all that came of one frame
    LoopClosure         two places that are one, with probability and relative pose
    GeometricVerifier   whether two images agree with one camera motion, and which
    Verification        what it says

Errors

    A2gcError           what all errors of this package are; its sentence says what to do

Everything else is private and may change in any version. ``docs/python.md`` shows these at work; nothing is imported
before it is used, so that a robot loads no more than it needs.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from a2gc_ros.bags.recording import Recording, open_recording
    from a2gc_ros.bags.writer import RecordingWriter
    from a2gc_ros.errors import A2gcError
    from a2gc_ros.extract.choose import open_extractor
    from a2gc_ros.extract.extractor import Extractor
    from a2gc_ros.images.decode import read_image
    from a2gc_ros.images.frame import CameraIntrinsics, Frame
    from a2gc_ros.loops.config import LoopConfig
    from a2gc_ros.loops.detector import LoopDetector
    from a2gc_ros.loops.results import Detection, LoopClosure, Verification
    from a2gc_ros.loops.verification.verifier import GeometricVerifier
    from a2gc_ros.placemap.place_map import PlaceMap
    from a2gc_ros.placemap.records import Manifest

__version__ = "0.1.0"

__all__ = [
    "A2gcError",
    "CameraIntrinsics",
    "Detection",
    "Extractor",
    "Frame",
    "GeometricVerifier",
    "LoopClosure",
    "LoopConfig",
    "LoopDetector",
    "Manifest",
    "PlaceMap",
    "Recording",
    "RecordingWriter",
    "Verification",
    "open_extractor",
    "open_recording",
    "read_image",
]

_HOMES = {
    "A2gcError": "errors",
    "CameraIntrinsics": "images.frame",
    "Detection": "loops.results",
    "Extractor": "extract.extractor",
    "Frame": "images.frame",
    "GeometricVerifier": "loops.verification.verifier",
    "LoopClosure": "loops.results",
    "LoopConfig": "loops.config",
    "LoopDetector": "loops.detector",
    "Manifest": "placemap.records",
    "PlaceMap": "placemap.place_map",
    "Recording": "bags.recording",
    "RecordingWriter": "bags.writer",
    "Verification": "loops.results",
    "open_extractor": "extract.choose",
    "open_recording": "bags.recording",
    "read_image": "images.decode",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ImportError as error:
        from a2gc_ros.system.installation import what_is_missing

        if missing := what_is_missing(error):
            raise type(error)(missing, name=error.name) from error
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # help() gets all that is listed here; without OpenCV, which no base install brings, hardly anything can be had.
    return [*(__all__ if importlib.util.find_spec("cv2") else ()), "__version__"]
