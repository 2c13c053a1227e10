"""The geometric check: do two images show one place, and how does the camera stand in it?"""

from a2gc_ros.loops.verification.verifier import Comparison, GeometricVerifier
from a2gc_ros.loops.verification.views import View

__all__ = ["Comparison", "GeometricVerifier", "View"]
