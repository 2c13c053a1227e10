"""The place map: keyframes in one file, searchable by descriptor."""

from a2gc_ros.placemap.live_index import IndexOptions
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Keyframe, Manifest, NewKeyframe, Session

__all__ = ["IndexOptions", "Keyframe", "Manifest", "NewKeyframe", "PlaceMap", "Session"]
