"""From matches to candidates to verified loop closures."""

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.detector import LoopDetector
from a2gc_ros.loops.preparation import Preparation, Prepared
from a2gc_ros.loops.results import Detection, LoopClosure, Match, Verification

__all__ = ["Detection", "LoopClosure", "LoopConfig", "LoopDetector", "Match", "Preparation", "Prepared", "Verification"]
