"""The place map: keyframes in one file, searchable by descriptor."""

from a2gc_ros.placemap.builder import BuildProgress, BuildResult, MapBuilder
from a2gc_ros.placemap.exporting import export
from a2gc_ros.placemap.live_index import IndexOptions
from a2gc_ros.placemap.merging import merge
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.reading import BuildPlan
from a2gc_ros.placemap.records import FeatureBlob, Keyframe, Manifest, NewKeyframe, Session
from a2gc_ros.placemap.selection import KeyframeSelector, Spacing

__all__ = [
    "BuildPlan",
    "BuildProgress",
    "BuildResult",
    "FeatureBlob",
    "IndexOptions",
    "Keyframe",
    "KeyframeSelector",
    "Manifest",
    "MapBuilder",
    "NewKeyframe",
    "PlaceMap",
    "Session",
    "Spacing",
    "export",
    "merge",
]
