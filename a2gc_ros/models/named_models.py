"""The models that come with the project by name: network, input and published weights of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models.architecture import Architecture
from a2gc_ros.models.backbones import efficientnet_lite, mobilenetv2
from a2gc_ros.models.checkpoints import UNSPECIFIED
from a2gc_ros.models.weights.methods import METHODS
from a2gc_ros.models.weights.published import (
    CLIQUEMINING_WEIGHTS,
    EFFICIENTNET_LITE_WEIGHTS,
    MOBILENETV2_WEIGHTS,
    SALAD_WEIGHTS,
    dinov2_weights,
    released,
    torchvision_weights,
)
from a2gc_ros.models.weights.weights import Weights


@dataclass(frozen=True)
class NamedModel:
    """What a model's name stands for.

    Attributes:
        name: The name.
        architecture: The network.
        preprocessing: Input size, resize rule, interpolation, antialiasing, mean and standard deviation.
        backbone_weights: Published weights of the backbone alone, to start a training from.
        weights: Published weights of the whole model, or None where none are published.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    backbone_weights: Weights | None
    weights: Weights | None = None

    @property
    def licence(self) -> str:
        """Of the weights that come with the name."""
        weights = self.weights or self.backbone_weights
        return UNSPECIFIED if weights is None else weights.licence


DINOV2_INPUT = METHODS["salad"].preprocessing
RESNET_INPUT = Preprocessing(height=320, width=320)
MOBILENETV2_INPUT = Preprocessing(height=240, width=320, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
EFFICIENTNET_LITE_INPUT = Preprocessing(height=240, width=320, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)

GIANT_HEAD = {"clusters": 64, "cluster_dim": 512, "token_dim": 512}
"""33280 dimensions; how these divide among clusters, local and token dimensions is our choice."""

ROBOT_HEAD = {"clusters": 28, "cluster_dim": 64, "token_dim": 256, "hidden": None}
"""2048 dimensions; the heads are linear so that they can be set from data on a small budget."""

SITE_HEAD = {"clusters": 32, "assignment": "softmax"}
"""VLAD fitted to a site's own images: over DINOv2 what is called AnyLoc (arXiv 2308.00688; 32 clusters too)."""


def _dinov2_models() -> Iterator[NamedModel]:
    for variant in ("vits14", "vitb14", "vitl14", "vitg14"):
        for registers in (False, True):
            for aggregator in ("A2GC", "SALAD", "VLAD"):
                options = {"variant": variant, "registers": registers}
                yield NamedModel(
                    f"{aggregator.lower()}-dinov2-{variant}{'-reg' if registers else ''}",
                    Architecture("dinov2", aggregator, options, _dinov2_head(aggregator, variant)),
                    DINOV2_INPUT,
                    dinov2_weights(variant, registers),
                    SALAD_WEIGHTS if (aggregator, variant, registers) == ("SALAD", "vitb14", False) else None,
                )


def _dinov2_head(aggregator: str, variant: str) -> Mapping[str, Any]:
    if aggregator == "VLAD":
        return SITE_HEAD
    return GIANT_HEAD if variant == "vitg14" else {}


def _methods_over_dinov2() -> Iterator[NamedModel]:
    """What others than SALAD's authors published over ViT-B."""
    plain = {"variant": "vitb14"}
    backbone = dinov2_weights("vitb14")
    yield NamedModel(
        "megaloc-dinov2-vitb14",
        Architecture("dinov2", "SALAD", plain, {"cluster_dim": 256}, 8448),
        METHODS["megaloc"].preprocessing,
        backbone,
        released("megaloc", "gmberton/MegaLoc", "v1.0", "megaloc.torch"),
    )
    salad = Architecture("dinov2", "SALAD", plain)
    yield NamedModel("cliquemining-dinov2-vitb14", salad, DINOV2_INPUT, backbone, CLIQUEMINING_WEIGHTS)
    yield NamedModel(
        "boq-dinov2-vitb14",
        Architecture("dinov2", "BoQ", {**plain, "final_norm": False}),
        METHODS["boq"].preprocessing,
        backbone,
        released("boq", "amaralibey/Bag-of-Queries", "v1.0", "dinov2_12288.pth"),
    )


def _resnet_models() -> Iterator[NamedModel]:
    for variant in ("resnet18", "resnet50", "resnet101"):
        for aggregator in ("A2GC", "SALAD", "GeM", "NetVLAD", "VLAD"):
            yield NamedModel(
                f"{aggregator.lower()}-{variant}",
                Architecture("resnet", aggregator, {"variant": variant}, SITE_HEAD if aggregator == "VLAD" else {}),
                RESNET_INPUT,
                torchvision_weights(variant),
            )


MIXVPR_HEADS = {4096: (1024, 4), 512: (256, 2), 128: (64, 2)}
"""Dimensions of the published descriptors, and the channels and rows that they consist of."""

COSPLACE_RELEASES = {
    "CosPlace": {
        "resnet18": (512,),
        "resnet50": (2048, 512, 128),
        "resnet101": (2048, 512),
        "resnet152": (2048, 512),
        "vgg16": (512,),
    },
    "EigenPlaces": {"resnet18": (512, 256), "resnet50": (2048, 512, 128), "resnet101": (2048, 512), "vgg16": (512,)},
}
"""Dimensions of descriptors; others that are published open as files."""


def _methods_over_convolutions() -> Iterator[NamedModel]:
    yield NamedModel(
        "boq-resnet50",
        Architecture("resnet", "BoQ", {"variant": "resnet50"}, {"channels": 512}),
        METHODS["boq_resnet"].preprocessing,
        torchvision_weights("resnet50"),
        released("boq_resnet", "amaralibey/Bag-of-Queries", "v1.0", "resnet50_16384.pth", "boq"),
    )
    for dim, (channels, rows) in MIXVPR_HEADS.items():
        yield NamedModel(
            f"mixvpr-resnet50-{dim}",
            Architecture("resnet", "MixVPR", {"variant": "resnet50"}, {"channels": channels, "rows": rows}),
            METHODS["mixvpr"].preprocessing,
            torchvision_weights("resnet50"),
            Weights(
                file=f"resnet50_MixVPR_{dim}_channels({channels})_rows({rows}).ckpt",
                layout="mixvpr",
                licence=METHODS["mixvpr"].licence,
                page="https://github.com/amaralibey/MixVPR",
            ),
        )
    for method, releases in COSPLACE_RELEASES.items():
        for variant, dims in releases.items():
            layout = "cosplace_vgg16" if variant == "vgg16" else "cosplace"
            backbone = ("vgg16", {}) if variant == "vgg16" else ("resnet", {"variant": variant, "last_stage": 4})
            title = variant.replace("resnet", "ResNet").replace("vgg", "VGG")
            for dim in dims:
                yield NamedModel(
                    f"{method.lower()}-{variant}-{dim}",
                    Architecture(backbone[0], "CosPlace", backbone[1], {"descriptor_dim": dim}),
                    METHODS[layout].preprocessing,
                    torchvision_weights(variant),
                    released(layout, f"gmberton/{method}", "v1.0", f"{title}_{dim}_{method.lower()}.pth"),
                )
    network = Architecture("vgg16", "NetVLAD")
    yield NamedModel("netvlad-vgg16", network, METHODS["netvlad"].preprocessing, torchvision_weights("vgg16"))


def _light_models() -> Iterator[NamedModel]:
    with_token = {"tap": mobilenetv2.STRIDE_16, "token_tap": mobilenetv2.STRIDE_32_EXPANDED}
    # GeM and NetVLAD use no token, so the backbone ends with their map.
    over_mobilenet: dict[str, tuple[dict[str, int], Mapping[str, Any]]] = {
        "A2GC": (with_token, ROBOT_HEAD),
        "SALAD": (with_token, ROBOT_HEAD),
        "GeM": ({"tap": mobilenetv2.STRIDE_32_EXPANDED}, {}),
        "NetVLAD": ({"tap": mobilenetv2.STRIDE_16}, {"clusters": 16}),
        "VLAD": ({"tap": mobilenetv2.STRIDE_16}, SITE_HEAD),
    }
    for aggregator, (taps, options) in over_mobilenet.items():
        network = Architecture("mobilenetv2", aggregator, taps, options)
        yield NamedModel(f"{aggregator.lower()}-mobilenetv2", network, MOBILENETV2_INPUT, MOBILENETV2_WEIGHTS)
    over_efficientnet: dict[str, tuple[str, int, Mapping[str, Any]]] = {
        # A²GC's transport without its dustbin, which only training could teach.
        "a2gc": ("VLAD", efficientnet_lite.STRIDE_16, {"assignment": "transport"}),
        "vlad": ("VLAD", efficientnet_lite.STRIDE_16, {"assignment": "softmax"}),
        "gem": ("GeM", efficientnet_lite.STRIDE_32_EXPANDED, {}),
    }
    for prefix, (aggregator, tap, options) in over_efficientnet.items():
        network = Architecture("efficientnet_lite", aggregator, {"tap": tap}, options)
        yield NamedModel(f"{prefix}-efficientnet-lite0", network, EFFICIENTNET_LITE_INPUT, EFFICIENTNET_LITE_WEIGHTS)


def _by_name(models: Iterable[NamedModel]) -> dict[str, NamedModel]:
    """Raises ValueError where two have one name."""
    found: dict[str, NamedModel] = {}
    for model in models:
        if model.name in found:
            raise ValueError(f"Two models are named {model.name}; rename one.")
        found[model.name] = model
    return found


MODELS = _by_name(
    [
        *_dinov2_models(),
        *_methods_over_dinov2(),
        *_resnet_models(),
        *_methods_over_convolutions(),
        *_light_models(),
    ]
)
