"""Torch definitions of backbones, aggregators and the models made of them."""

from a2gc_ros.models.architecture import Architecture
from a2gc_ros.models.backbone import Backbone, Features
from a2gc_ros.models.named_models import MODELS, NamedModel
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.models.registry import build, model_names, named

__all__ = [
    "MODELS",
    "Architecture",
    "Backbone",
    "Features",
    "NamedModel",
    "PlaceModel",
    "build",
    "model_names",
    "named",
]
