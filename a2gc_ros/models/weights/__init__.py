"""Published weights: which there are, where they are, and how they come onto this machine."""

from a2gc_ros.models.weights.weights import Weights

__all__ = ["Weights"]
