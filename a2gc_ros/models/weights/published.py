"""Where published weights are, and under which licence."""

from __future__ import annotations

from a2gc_ros.models.weights.methods import METHODS
from a2gc_ros.models.weights.weights import Weights

APACHE = "Apache-2.0"


def dinov2_weights(variant: str, registers: bool = False) -> Weights:
    """DINOv2's own, of the hub's models."""
    folder = f"dinov2_{variant}"
    file = f"{folder}{'_reg4' if registers else ''}_pretrain.pth"
    return Weights(
        file=file, layout="dinov2", licence=APACHE, url=f"https://dl.fbaipublicfiles.com/dinov2/{folder}/{file}"
    )


TORCHVISION_DIGITS = {
    "resnet18": "f37072fd",
    "resnet50": "0676ba61",
    "resnet101": "63fe2227",
    "resnet152": "394f9c45",
    "vgg16": "397923af",
}


def torchvision_weights(variant: str) -> Weights:
    """ImageNet's, of torchvision's models."""
    file = f"{variant}-{TORCHVISION_DIGITS[variant]}.pth"
    return Weights(
        file=file,
        layout="torchvision_vgg16" if variant == "vgg16" else "torchvision",
        licence="BSD-3-Clause",
        url=f"https://download.pytorch.org/models/{file}",
        sha256=TORCHVISION_DIGITS[variant],
    )


def released(method: str, repository: str, release: str, file: str, layout: str = "") -> Weights:
    """Weights in a release of their authors' repository."""
    return Weights(
        file=file,
        layout=layout or method,
        licence=METHODS[method].licence,
        url=f"https://github.com/{repository}/releases/download/{release}/{file}",
    )


MOBILENETV2_WEIGHTS = Weights(
    file="mobilenet_v2_imagenet_folded.safetensors",
    layout="mobilenetv2",
    licence=APACHE,
    sha256="71d46b5b425cdad92c3430d40add73deb9616551ba0a9741041ed638aaec8dad",
)

EFFICIENTNET_LITE_WEIGHTS = Weights(
    file="efficientnet_lite0_imagenet_folded.safetensors",
    layout="efficientnet_lite",
    licence=APACHE,
    sha256="3e5ea5c898c172d067acb9f763c92c952c63191df0de37f0bf4ffaf0efb9728b",
    shipped="a2gc-efficientnet-lite0",
)

SALAD_WEIGHTS = released("salad", "serizba/salad", "v1.0.0", "dino_salad.ckpt")

CLIQUEMINING_WEIGHTS = Weights(
    file="cliquemining.ckpt",
    layout="salad",
    licence=METHODS["salad"].licence,
    page="https://github.com/serizba/cliquemining",
)
