"""A model as plain data: which backbone and aggregator with which options, so that a file can say how to rebuild it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from a2gc_ros.errors import ModelError
from a2gc_ros.models import own_code
from a2gc_ros.models.aggregator import Aggregator
from a2gc_ros.models.aggregators.a2gc import A2GC, ASYOT
from a2gc_ros.models.aggregators.boq import BoQ
from a2gc_ros.models.aggregators.cosplace import CosPlace
from a2gc_ros.models.aggregators.gem import GeM
from a2gc_ros.models.aggregators.mixvpr import MixVPR
from a2gc_ros.models.aggregators.netvlad import NetVLAD
from a2gc_ros.models.aggregators.projected import Projected
from a2gc_ros.models.aggregators.salad import Salad
from a2gc_ros.models.aggregators.vlad import VLAD
from a2gc_ros.models.backbone import Backbone
from a2gc_ros.models.backbones.dinov2 import DinoV2
from a2gc_ros.models.backbones.efficientnet_lite import EfficientNetLite
from a2gc_ros.models.backbones.mobilenetv2 import MobileNetV2
from a2gc_ros.models.backbones.resnet import ResNet
from a2gc_ros.models.backbones.vgg import Vgg16
from a2gc_ros.plugins import Registry, is_class_of

BACKBONES: Registry[type[Backbone]] = Registry(
    "backbones",
    "backbone",
    ModelError,
    {
        "dinov2": DinoV2,
        "resnet": ResNet,
        "vgg16": Vgg16,
        "mobilenetv2": MobileNetV2,
        "efficientnet_lite": EfficientNetLite,
    },
    fits=is_class_of(Backbone),
    kind="a class derived from a2gc_ros.models.Backbone",
)
"""Ours, and those of installed packages."""

AGGREGATORS: Registry[type[Aggregator]] = Registry(
    "aggregators",
    "aggregator",
    ModelError,
    {
        "A2GC": A2GC,
        "ASYOT": ASYOT,
        "SALAD": Salad,
        "GeM": GeM,
        "NetVLAD": NetVLAD,
        "VLAD": VLAD,
        "BoQ": BoQ,
        "MixVPR": MixVPR,
        "CosPlace": CosPlace,
    },
    fits=is_class_of(Aggregator),
    kind="a class derived from a2gc_ros.models.aggregator.Aggregator",
)
"""Ours, and those of installed packages."""

T = TypeVar("T")

_CHANNELS = {"in_channels", "token_channels"}


@dataclass(frozen=True)
class Architecture:
    """Everything that shapes a network.

    Attributes:
        backbone: Key of `BACKBONES`, or the dotted path of a class of the user's own.
        aggregator: Key of `AGGREGATORS`, or the dotted path of a class of the user's own.
        backbone_options: Keyword arguments of the backbone.
        aggregator_options: Keyword arguments of the aggregator, less the channels, which follow from the backbone.
        projection: Dimension of a final linear projection, or None for none.
    """

    backbone: str
    aggregator: str
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    aggregator_options: Mapping[str, Any] = field(default_factory=dict)
    projection: int | None = None

    def __post_init__(self) -> None:
        _check_options("backbone", self.backbone, backbone_named(self.backbone), self.backbone_options)
        _check_options("aggregator", self.aggregator, aggregator_named(self.aggregator), self.aggregator_options)

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """The inverse of `to_dict`.

        Raises:
            ModelError: An entry is missing, unknown or names something that does not exist.
        """
        expected = {entry.name for entry in fields(cls)}
        if set(values) != expected:
            raise ModelError(
                f"A model's architecture needs exactly the entries {', '.join(sorted(expected))} "
                f"and has {', '.join(sorted(values)) or 'none'}: the file is damaged or from another version."
            )
        return cls(**values)

    def make_backbone(self) -> Backbone:
        """The backbone, at its random start."""
        return backbone_named(self.backbone)(**self.backbone_options)

    def make_aggregator(self, backbone: Backbone) -> Aggregator:
        """The aggregator that fits a backbone, at its random start."""
        aggregator = aggregator_named(self.aggregator)(
            in_channels=backbone.out_channels, token_channels=backbone.token_channels, **self.aggregator_options
        )
        return aggregator if self.projection is None else Projected(aggregator, self.projection)


def backbone_named(name: str) -> type[Backbone]:
    """The backbone of a name; raises ModelError that lists those there are."""
    return _named("backbone", name, BACKBONES, Backbone)  # type: ignore[type-abstract]


def aggregator_named(name: str) -> type[Aggregator]:
    """The aggregator of a name; raises ModelError that lists those there are."""
    return _named("aggregator", name, AGGREGATORS, Aggregator)  # type: ignore[type-abstract]


def _named(role: str, name: str, known: Mapping[str, type[T]], base: type[T]) -> type[T]:
    if name in known:
        return known[name]
    if not own_code.is_dotted(name):
        raise ModelError(
            f"There is no {role} named {name!r}; choose one of {', '.join(known)}, or the dotted path of a class of "
            "your own."
        )
    found = own_code.known(name)
    if found is None:
        raise ModelError(
            f"The {role} {name} is somebody's own code, which runs only where you name its module: "
            f"{own_code.VARIABLE}={name.rpartition('.')[0]}, with its file in the folder you are in."
        )
    if not isinstance(found, type) or not issubclass(found, base):
        raise ModelError(f"{name} is no {role}: derive the class from {base.__module__}.{base.__name__}.")
    return found


def options_of(kind: type[Backbone] | type[Aggregator]) -> set[str]:
    """Names of the options a backbone or aggregator takes."""
    taken: dict[str, inspect.Parameter] = {}
    for level in kind.__mro__:
        own = inspect.signature(level).parameters
        taken |= own
        # What it does not name itself it hands on.
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
            break
    return {name for name, parameter in taken.items() if parameter.kind is not parameter.VAR_KEYWORD} - _CHANNELS


def _check_options(role: str, name: str, kind: type[Backbone] | type[Aggregator], options: Mapping[str, Any]) -> None:
    allowed = options_of(kind)
    for option in options:
        if option not in allowed:
            raise ModelError(
                f"The {role} {name} has no option {option!r}; it takes {', '.join(sorted(allowed)) or 'none'}."
            )
