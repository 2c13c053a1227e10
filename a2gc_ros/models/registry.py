"""Named models: each with the input it was trained for, its weights and their licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from a2gc_ros.errors import ModelError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models import checkpoints, download, efficientnet_lite
from a2gc_ros.models.architecture import AGGREGATORS, BACKBONES, Architecture, options_of
from a2gc_ros.models.mobilenetv2 import STRIDE_16, STRIDE_32_EXPANDED
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.models.weights import Weights

APACHE = "Apache-2.0"


@dataclass(frozen=True)
class NamedModel:
    """What a model's name stands for.

    Attributes:
        name: The name.
        architecture: The network.
        preprocessing: Input size, resize rule, interpolation, antialiasing, mean and standard deviation.
        licence: Of the weights that come with the name; of this code where none do.
        weights: Published weights of the whole model, or None where none are published.
        backbone_weights: Published weights of the backbone alone, to start a training from.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    licence: str
    weights: Weights | None = None
    backbone_weights: Weights | None = None


def _dinov2_weights(variant: str, registers: bool) -> Weights:
    folder = f"dinov2_{variant}"
    file = f"{folder}{'_reg4' if registers else ''}_pretrain.pth"
    return Weights(
        file=file, layout="dinov2", licence=APACHE, url=f"https://dl.fbaipublicfiles.com/dinov2/{folder}/{file}"
    )


RESNET_DIGITS = {"resnet18": "f37072fd", "resnet50": "0676ba61", "resnet101": "63fe2227"}


def _resnet_weights(variant: str) -> Weights:
    file = f"{variant}-{RESNET_DIGITS[variant]}.pth"
    return Weights(
        file=file,
        layout="torchvision",
        licence="BSD-3-Clause",
        url=f"https://download.pytorch.org/models/{file}",
        sha256=RESNET_DIGITS[variant],
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

SALAD_WEIGHTS = Weights(
    file="dino_salad.ckpt",
    layout="salad",
    licence="GPL-3.0",
    url="https://github.com/serizba/salad/releases/download/v1.0.0/dino_salad.ckpt",
)

MEGALOC_WEIGHTS = Weights(
    file="megaloc.torch",
    layout="megaloc",
    licence="as its publisher states: https://github.com/gmberton/MegaLoc",
    url="https://github.com/gmberton/MegaLoc/releases/download/v1.0/megaloc.torch",
)

DINOV2_INPUT = Preprocessing(height=322, width=322)
RESNET_INPUT = Preprocessing(height=320, width=320)
MOBILENETV2_INPUT = Preprocessing(height=240, width=320, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
EFFICIENTNET_LITE_INPUT = Preprocessing(height=240, width=320, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)

GIANT_HEAD = {"clusters": 64, "cluster_dim": 512, "token_dim": 512}
"""33280 dimensions; how these divide among clusters, local and token dimensions is our choice."""

ROBOT_HEAD = {"clusters": 28, "cluster_dim": 64, "token_dim": 256, "hidden": None}
"""2048 dimensions; the heads are linear so that they can be set from data on a small budget."""

SITE_HEAD = {"clusters": 32, "assignment": "softmax"}
"""VLAD fitted to a site's own images: over DINOv2 what is called AnyLoc (arXiv 2308.00688; 32 clusters too)."""


def _dinov2_models() -> list[NamedModel]:
    models = []
    for variant in ("vits14", "vitb14", "vitl14", "vitg14"):
        for registers in (False, True):
            for aggregator in ("A2GC", "SALAD", "VLAD"):
                suffix = "-reg" if registers else ""
                published = SALAD_WEIGHTS if (aggregator, variant, registers) == ("SALAD", "vitb14", False) else None
                models.append(
                    NamedModel(
                        name=f"{aggregator.lower()}-dinov2-{variant}{suffix}",
                        architecture=Architecture(
                            backbone="dinov2",
                            backbone_options={"variant": variant, "registers": registers},
                            aggregator=aggregator,
                            aggregator_options=_dinov2_head(aggregator, variant),
                        ),
                        preprocessing=DINOV2_INPUT,
                        licence=published.licence if published else APACHE,
                        weights=published,
                        backbone_weights=_dinov2_weights(variant, registers),
                    )
                )
    return models


def _dinov2_head(aggregator: str, variant: str) -> Mapping[str, Any]:
    if aggregator == "VLAD":
        return SITE_HEAD
    return GIANT_HEAD if variant == "vitg14" else {}


def _megaloc() -> NamedModel:
    return NamedModel(
        name="megaloc-dinov2-vitb14",
        architecture=Architecture(
            backbone="dinov2",
            backbone_options={"variant": "vitb14"},
            aggregator="SALAD",
            aggregator_options={"cluster_dim": 256},
            projection=8448,
        ),
        preprocessing=DINOV2_INPUT,
        licence=MEGALOC_WEIGHTS.licence,
        weights=MEGALOC_WEIGHTS,
        backbone_weights=_dinov2_weights("vitb14", registers=False),
    )


def _resnet_models() -> list[NamedModel]:
    return [
        NamedModel(
            name=f"{aggregator.lower()}-{variant}",
            architecture=Architecture(
                backbone="resnet",
                backbone_options={"variant": variant},
                aggregator=aggregator,
                aggregator_options=SITE_HEAD if aggregator == "VLAD" else {},
            ),
            preprocessing=RESNET_INPUT,
            licence="BSD-3-Clause",
            backbone_weights=_resnet_weights(variant),
        )
        for variant in RESNET_DIGITS
        for aggregator in ("A2GC", "SALAD", "GeM", "NetVLAD", "VLAD")
    ]


def _mobilenetv2_models() -> list[NamedModel]:
    # GeM and NetVLAD use no token, so the backbone ends with their map.
    parts: dict[str, tuple[dict[str, int], Mapping[str, Any]]] = {
        "A2GC": ({"tap": STRIDE_16, "token_tap": STRIDE_32_EXPANDED}, ROBOT_HEAD),
        "SALAD": ({"tap": STRIDE_16, "token_tap": STRIDE_32_EXPANDED}, ROBOT_HEAD),
        "GeM": ({"tap": STRIDE_32_EXPANDED}, {}),
        "NetVLAD": ({"tap": STRIDE_16}, {"clusters": 16}),
        "VLAD": ({"tap": STRIDE_16}, SITE_HEAD),
    }
    return [
        NamedModel(
            name=f"{aggregator.lower()}-mobilenetv2",
            architecture=Architecture(
                backbone="mobilenetv2",
                backbone_options=taps,
                aggregator=aggregator,
                aggregator_options=options,
            ),
            preprocessing=MOBILENETV2_INPUT,
            licence=APACHE,
            backbone_weights=MOBILENETV2_WEIGHTS,
        )
        for aggregator, (taps, options) in parts.items()
    ]


def _efficientnet_lite_models() -> list[NamedModel]:
    parts: dict[str, tuple[str, int, Mapping[str, Any]]] = {
        # A²GC's transport without its dustbin, which only training could teach.
        "a2gc": ("VLAD", efficientnet_lite.STRIDE_16, {"assignment": "transport"}),
        "vlad": ("VLAD", efficientnet_lite.STRIDE_16, {"assignment": "softmax"}),
        "gem": ("GeM", efficientnet_lite.STRIDE_32_EXPANDED, {}),
    }
    return [
        NamedModel(
            name=f"{prefix}-efficientnet-lite0",
            architecture=Architecture(
                backbone="efficientnet_lite",
                backbone_options={"tap": tap},
                aggregator=aggregator,
                aggregator_options=options,
            ),
            preprocessing=EFFICIENTNET_LITE_INPUT,
            licence=APACHE,
            backbone_weights=EFFICIENTNET_LITE_WEIGHTS,
        )
        for prefix, (aggregator, tap, options) in parts.items()
    ]


MODELS: dict[str, NamedModel] = {
    model.name: model
    for model in [
        *_dinov2_models(),
        _megaloc(),
        *_resnet_models(),
        *_mobilenetv2_models(),
        *_efficientnet_lite_models(),
    ]
}


def named(name: str) -> NamedModel:
    """The model of a name.

    Raises:
        ModelError: There is none; the message lists all names.
    """
    if name not in MODELS:
        raise ModelError(f"There is no model named {name!r}; choose one of {', '.join(sorted(MODELS))}.")
    return MODELS[name]


def build(
    name: str,
    *,
    image_size: tuple[int, int] | None = None,
    pretrained: bool | Literal["backbone"] = False,
    trainable_blocks: int | None = None,
    **overrides: Any,
) -> PlaceModel:
    """Builds a named model.

    Args:
        name: Key of `MODELS`.
        image_size: Height and width of the input in pixels, if not the named model's own.
        pretrained: True loads the published weights of the whole model, "backbone" those of its backbone alone,
            downloading them on first use; False leaves everything at its random start.
        trainable_blocks: How many of the backbone's last blocks may train; all of it if not given.
        **overrides: Options of the backbone, of the aggregator or of the preprocessing by their own names, or
            `projection`.

    Raises:
        ModelError: The name or an option does not exist, or the model cannot take this size.
        CheckpointError: The weights do not fit, for instance because an override changed a shape.
        DownloadError: The weights cannot be had.
    """
    entry = named(name)
    architecture, preprocessing = _overridden(entry, overrides)
    if image_size is not None:
        preprocessing = replace(preprocessing, height=image_size[0], width=image_size[1])
    model = PlaceModel(architecture, preprocessing, name=name)
    if pretrained:
        weights = entry.backbone_weights if pretrained == "backbone" else entry.weights
        if weights is None:
            raise ModelError(
                f"No weights of the whole model {name} are published: pretrained='backbone' starts it from its "
                "backbone's, for training."
            )
        checkpoints.load(model, download.fetch(weights), weights.layout)
    model.backbone.set_trainable_blocks(trainable_blocks)
    return model


def _overridden(entry: NamedModel, overrides: Mapping[str, Any]) -> tuple[Architecture, Preprocessing]:
    architecture = entry.architecture
    backbone_options = options_of(BACKBONES[architecture.backbone])
    aggregator_options = options_of(AGGREGATORS[architecture.aggregator])
    preprocessing_options = {"resize", "interpolation", "antialias", "mean", "std"}
    known = backbone_options | aggregator_options | preprocessing_options | {"projection"}
    unknown = [option for option in overrides if option not in known]
    if unknown:
        raise ModelError(
            f"{entry.name} has no option {', '.join(map(repr, unknown))}; it takes {', '.join(sorted(known))}."
        )

    def chosen(names: set[str]) -> dict[str, Any]:
        return {option: value for option, value in overrides.items() if option in names}

    changed = replace(
        architecture,
        backbone_options={**architecture.backbone_options, **chosen(backbone_options)},
        aggregator_options={**architecture.aggregator_options, **chosen(aggregator_options)},
        projection=overrides.get("projection", architecture.projection),
    )
    return changed, replace(entry.preprocessing, **chosen(preprocessing_options))
