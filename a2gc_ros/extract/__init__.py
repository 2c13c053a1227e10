"""Runnable models: RGB images in, descriptors out."""

from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.extract.spec import ModelSpec

__all__ = ["Extractor", "ModelSpec", "open_extractor"]
