"""The layouts of published weights: how each publisher names the tensors of a file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from a2gc_ros.errors import CheckpointError

CONVOLUTIONS = 53
"""Of the whole MobileNetV2 with its classifier; EfficientNet-Lite0 has 50."""

UNUSED_CONVOLUTIONS = tuple(f"convs.{index}.*" for index in range(CONVOLUTIONS))


@dataclass(frozen=True)
class Layout:
    """How a publisher names the tensors of a file.

    Attributes:
        title: For messages.
        part: Whether the file holds a whole model or a backbone.
        prefixes: (theirs, ours) for the beginnings of names; the first that fits is replaced.
        may_lack: Patterns of our names the file need not hold.
        unused: Patterns of the file's names, each for one part a model may be built without. Only where the model
            has no tensor of such a pattern do the file's stay unused.
    """

    title: str
    part: Literal["model", "backbone"]
    prefixes: tuple[tuple[str, str], ...] = ()
    may_lack: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def renamed(self, name: str) -> str:
        """Our name of a tensor that the file names `name`."""
        for theirs, ours in self.prefixes:
            if name.startswith(theirs):
                return ours + name[len(theirs) :]
        return name


LAYOUTS = {
    "dinov2": Layout("DINOv2's own weights", "backbone"),
    "torchvision": Layout(
        "torchvision's ResNet weights",
        "backbone",
        # A counter that older files lack and evaluation does not read.
        may_lack=("*.num_batches_tracked",),
        unused=("layer2.*", "layer3.*", "layer4.*", "fc.*"),
    ),
    "mobilenetv2": Layout("folded MobileNetV2 weights", "backbone", unused=UNUSED_CONVOLUTIONS),
    "efficientnet_lite": Layout("folded EfficientNet-Lite0 weights", "backbone", unused=UNUSED_CONVOLUTIONS),
    "salad": Layout("SALAD's checkpoint", "model", prefixes=(("backbone.model.", "backbone."),)),
    "a2gc": Layout(
        "a checkpoint of A2GC's public code",
        "model",
        prefixes=(("backbone.model.", "backbone."),),
        may_lack=("aggregator.geo_scale",),
    ),
    "megaloc": Layout("MegaLoc's weights", "model", prefixes=(("backbone.model.", "backbone."),)),
    "own": Layout("a model file of this project", "model"),
    "lightning": Layout(
        "a Lightning checkpoint of this project", "model", prefixes=(("model.", ""),), unused=("loss.*",)
    ),
}


TELLTALES: dict[str, tuple[str, ...]] = {
    "lightning": ("model.backbone.", "model.aggregator."),
    "a2gc": ("backbone.model.", "aggregator.geo_proj."),
    "megaloc": ("backbone.", "aggregator.agg.", "aggregator.linear."),
    "salad": ("backbone.model.", "aggregator."),
    "own": ("backbone.", "aggregator."),
    "dinov2": ("cls_token", "blocks.0."),
    "torchvision": ("conv1.weight", "layer1.0."),
    "mobilenetv2": ("convs.0.",),
}
"""Beginnings of names that only files of a layout have, the more particular layouts first.

Our own models with a projection have MegaLoc's names, and are read alike.
"""


def detect_layout(names: Collection[str], *, source: str) -> str:
    """The layout whose tell-tale names a file has; the first in the order of `TELLTALES`.

    Raises:
        CheckpointError: It has none; the message shows some of the names it has.
    """
    for layout, telltales in TELLTALES.items():
        if all(any(name.startswith(telltale) for name in names) for telltale in telltales):
            return layout
    some = ", ".join(sorted(names)[:5])
    raise CheckpointError(
        f"{source} is in no known layout (its first names are {some or 'missing'}): "
        f"the layouts are {', '.join(LAYOUTS)}."
    )
