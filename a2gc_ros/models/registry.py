"""Named models: each with the input it was trained for, its weights and their licence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from a2gc_ros.errors import ModelError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models import checkpoints, download, efficientnet_lite
from a2gc_ros.models.architecture import (
    AGGREGATORS,
    BACKBONES,
    Architecture,
    aggregator_named,
    backbone_named,
    options_of,
)
from a2gc_ros.models.mobilenetv2 import STRIDE_16, STRIDE_32_EXPANDED
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.models.released import METHODS
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


def _dinov2_weights(variant: str, registers: bool = False) -> Weights:
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


def _torchvision_weights(variant: str) -> Weights:
    file = f"{variant}-{TORCHVISION_DIGITS[variant]}.pth"
    return Weights(
        file=file,
        layout="torchvision_vgg16" if variant == "vgg16" else "torchvision",
        licence="BSD-3-Clause",
        url=f"https://download.pytorch.org/models/{file}",
        sha256=TORCHVISION_DIGITS[variant],
    )


def _released(method: str, repository: str, release: str, file: str, layout: str = "") -> Weights:
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

SALAD_WEIGHTS = _released("salad", "serizba/salad", "v1.0.0", "dino_salad.ckpt")

CLIQUEMINING_WEIGHTS = Weights(
    file="cliquemining.ckpt",
    layout="salad",
    licence=METHODS["salad"].licence,
    page="https://github.com/serizba/cliquemining",
)

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


def _model(
    name: str,
    architecture: Architecture,
    preprocessing: Preprocessing,
    backbone_weights: Weights,
    weights: Weights | None = None,
) -> NamedModel:
    licence = (weights or backbone_weights).licence
    return NamedModel(name, architecture, preprocessing, licence, weights, backbone_weights)


def _dinov2_models() -> Iterator[NamedModel]:
    for variant in ("vits14", "vitb14", "vitl14", "vitg14"):
        for registers in (False, True):
            for aggregator in ("A2GC", "SALAD", "VLAD"):
                yield _model(
                    f"{aggregator.lower()}-dinov2-{variant}{'-reg' if registers else ''}",
                    Architecture(
                        "dinov2",
                        aggregator,
                        {"variant": variant, "registers": registers},
                        _dinov2_head(aggregator, variant),
                    ),
                    DINOV2_INPUT,
                    _dinov2_weights(variant, registers),
                    SALAD_WEIGHTS if (aggregator, variant, registers) == ("SALAD", "vitb14", False) else None,
                )


def _dinov2_head(aggregator: str, variant: str) -> Mapping[str, Any]:
    if aggregator == "VLAD":
        return SITE_HEAD
    return GIANT_HEAD if variant == "vitg14" else {}


def _methods_over_dinov2() -> Iterator[NamedModel]:
    """What others than SALAD's authors published over ViT-B."""
    plain = {"variant": "vitb14"}
    backbone = _dinov2_weights("vitb14")
    yield _model(
        "megaloc-dinov2-vitb14",
        Architecture("dinov2", "SALAD", plain, {"cluster_dim": 256}, 8448),
        METHODS["megaloc"].preprocessing,
        backbone,
        _released("megaloc", "gmberton/MegaLoc", "v1.0", "megaloc.torch"),
    )
    yield _model(
        "cliquemining-dinov2-vitb14",
        Architecture("dinov2", "SALAD", plain),
        DINOV2_INPUT,
        backbone,
        CLIQUEMINING_WEIGHTS,
    )
    yield _model(
        "boq-dinov2-vitb14",
        Architecture("dinov2", "BoQ", {**plain, "final_norm": False}),
        METHODS["boq"].preprocessing,
        backbone,
        _released("boq", "amaralibey/Bag-of-Queries", "v1.0", "dinov2_12288.pth"),
    )


def _resnet_models() -> Iterator[NamedModel]:
    for variant in ("resnet18", "resnet50", "resnet101"):
        for aggregator in ("A2GC", "SALAD", "GeM", "NetVLAD", "VLAD"):
            yield _model(
                f"{aggregator.lower()}-{variant}",
                Architecture("resnet", aggregator, {"variant": variant}, SITE_HEAD if aggregator == "VLAD" else {}),
                RESNET_INPUT,
                _torchvision_weights(variant),
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

TITLES = {
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "vgg16": "VGG16",
}


def _methods_over_convolutions() -> Iterator[NamedModel]:
    yield _model(
        "boq-resnet50",
        Architecture("resnet", "BoQ", {"variant": "resnet50"}, {"channels": 512}),
        METHODS["boq_resnet"].preprocessing,
        _torchvision_weights("resnet50"),
        _released("boq_resnet", "amaralibey/Bag-of-Queries", "v1.0", "resnet50_16384.pth", "boq"),
    )
    for dim, (channels, rows) in MIXVPR_HEADS.items():
        yield _model(
            f"mixvpr-resnet50-{dim}",
            Architecture("resnet", "MixVPR", {"variant": "resnet50"}, {"channels": channels, "rows": rows}),
            METHODS["mixvpr"].preprocessing,
            _torchvision_weights("resnet50"),
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
            for dim in dims:
                yield _model(
                    f"{method.lower()}-{variant}-{dim}",
                    Architecture(backbone[0], "CosPlace", backbone[1], {"descriptor_dim": dim}),
                    METHODS[layout].preprocessing,
                    _torchvision_weights(variant),
                    _released(layout, f"gmberton/{method}", "v1.0", f"{TITLES[variant]}_{dim}_{method.lower()}.pth"),
                )
    yield _model(
        "netvlad-vgg16",
        Architecture("vgg16", "NetVLAD"),
        METHODS["netvlad"].preprocessing,
        _torchvision_weights("vgg16"),
    )


def _mobilenetv2_models() -> Iterator[NamedModel]:
    # GeM and NetVLAD use no token, so the backbone ends with their map.
    parts: dict[str, tuple[dict[str, int], Mapping[str, Any]]] = {
        "A2GC": ({"tap": STRIDE_16, "token_tap": STRIDE_32_EXPANDED}, ROBOT_HEAD),
        "SALAD": ({"tap": STRIDE_16, "token_tap": STRIDE_32_EXPANDED}, ROBOT_HEAD),
        "GeM": ({"tap": STRIDE_32_EXPANDED}, {}),
        "NetVLAD": ({"tap": STRIDE_16}, {"clusters": 16}),
        "VLAD": ({"tap": STRIDE_16}, SITE_HEAD),
    }
    for aggregator, (taps, options) in parts.items():
        yield _model(
            f"{aggregator.lower()}-mobilenetv2",
            Architecture("mobilenetv2", aggregator, taps, options),
            MOBILENETV2_INPUT,
            MOBILENETV2_WEIGHTS,
        )


def _efficientnet_lite_models() -> Iterator[NamedModel]:
    parts: dict[str, tuple[str, int, Mapping[str, Any]]] = {
        # A²GC's transport without its dustbin, which only training could teach.
        "a2gc": ("VLAD", efficientnet_lite.STRIDE_16, {"assignment": "transport"}),
        "vlad": ("VLAD", efficientnet_lite.STRIDE_16, {"assignment": "softmax"}),
        "gem": ("GeM", efficientnet_lite.STRIDE_32_EXPANDED, {}),
    }
    for prefix, (aggregator, tap, options) in parts.items():
        yield _model(
            f"{prefix}-efficientnet-lite0",
            Architecture("efficientnet_lite", aggregator, {"tap": tap}, options),
            EFFICIENTNET_LITE_INPUT,
            EFFICIENTNET_LITE_WEIGHTS,
        )


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
        *_mobilenetv2_models(),
        *_efficientnet_lite_models(),
    ]
)


OVER_ADDED_BACKBONES = ("A2GC", "SALAD", "GeM", "NetVLAD", "VLAD")


def _added() -> dict[str, Callable[[], NamedModel]]:
    """Models of what installed packages add, which is imported when one of them is made.

    A backbone stands under each aggregator of ours that takes any feature map, and an aggregator over each backbone
    that has a VLAD: ``gem-mine``, ``mine-resnet50``.
    """
    made: dict[str, Callable[[], NamedModel]] = {}
    for backbone in BACKBONES.added:
        for aggregator in OVER_ADDED_BACKBONES:
            name = f"{aggregator.lower()}-{backbone}"
            made[name] = partial(_over_added_backbone, name, aggregator, backbone)
    for aggregator in AGGREGATORS.added:
        for model in [model for model in MODELS.values() if model.name.startswith("vlad-")]:
            name = f"{aggregator.lower()}-{model.name.removeprefix('vlad-')}"
            made[name] = partial(_under_added_aggregator, name, aggregator, model)
    return {name: make for name, make in made.items() if name not in MODELS}


def _over_added_backbone(name: str, aggregator: str, backbone: str) -> NamedModel:
    options = SITE_HEAD if aggregator == "VLAD" else {}
    kind = BACKBONES[backbone]
    weights = kind.backbone_weights
    licence = checkpoints.UNSPECIFIED if weights is None else weights.licence
    architecture = Architecture(backbone, aggregator, {}, options)
    return NamedModel(name, architecture, kind.preprocessing, licence, backbone_weights=weights)


def _under_added_aggregator(name: str, aggregator: str, like: NamedModel) -> NamedModel:
    architecture = replace(like.architecture, aggregator=aggregator, aggregator_options={})
    return replace(like, name=name, architecture=architecture, weights=None)


def model_names() -> list[str]:
    """Every name that `named` knows: ours, then those of what installed packages add."""
    return [*MODELS, *_added()]


def named(name: str) -> NamedModel:
    """The model of a name.

    Raises:
        ModelError: There is none, and the message lists all names; or what a package adds cannot be loaded.
    """
    if name in MODELS:
        return MODELS[name]
    added = _added()
    if name not in added:
        raise ModelError(f"There is no model named {name!r}; choose one of {', '.join(sorted([*MODELS, *added]))}.")
    return added[name]()


def build(
    name: str,
    *,
    image_size: tuple[int, int] | None = None,
    pretrained: bool | Literal["backbone"] = False,
    trainable_blocks: int | None = None,
    backbone: str | None = None,
    aggregator: str | None = None,
    **overrides: Any,
) -> PlaceModel:
    """Builds a named model.

    Args:
        name: One of `model_names`.
        image_size: Height and width of the input in pixels, if not the named model's own.
        pretrained: True loads the published weights of the whole model, "backbone" those of its backbone alone,
            downloading them on first use; False leaves everything at its random start.
        trainable_blocks: How many of the backbone's last blocks may train; all of it if not given.
        backbone: Another backbone in place of the named model's, with its own options: a name or a dotted path.
        aggregator: The same for the aggregator.
        **overrides: Options of the backbone, of the aggregator or of the preprocessing by their own names, or
            `projection`.

    Raises:
        ModelError: The name or an option does not exist, or the model cannot take this size.
        CheckpointError: The weights do not fit, for instance because an override changed a shape.
        DownloadError: The weights cannot be had.
    """
    entry = named(name)
    if backbone is not None or aggregator is not None:
        entry = _with_parts(entry, backbone, aggregator)
    architecture, preprocessing = _overridden(entry, overrides)
    if image_size is not None:
        preprocessing = replace(preprocessing, height=image_size[0], width=image_size[1])
    model = PlaceModel(architecture, preprocessing, name=name)
    if pretrained:
        weights = entry.backbone_weights if pretrained == "backbone" else entry.weights
        if weights is None and backbone is not None:
            raise ModelError(f"No weights of the backbone {backbone} are known; leave `pretrained` out.")
        if weights is None:
            raise ModelError(
                f"No weights of the whole model {name} are published: pretrained='backbone' starts it from its "
                "backbone's, for training."
            )
        checkpoints.load(model, download.fetch(weights), weights.layout)
    model.backbone.set_trainable_blocks(trainable_blocks)
    return model


def _with_parts(entry: NamedModel, backbone: str | None, aggregator: str | None) -> NamedModel:
    """A named model with another backbone or aggregator, which come without options and weights of the whole."""
    architecture = entry.architecture
    if backbone is not None:
        architecture = replace(architecture, backbone=backbone, backbone_options={})
        entry = replace(entry, backbone_weights=None)
    if aggregator is not None:
        architecture = replace(architecture, aggregator=aggregator, aggregator_options={})
    return replace(entry, architecture=architecture, weights=None)


def _overridden(entry: NamedModel, overrides: Mapping[str, Any]) -> tuple[Architecture, Preprocessing]:
    architecture = entry.architecture
    backbone_options = options_of(backbone_named(architecture.backbone))
    aggregator_options = options_of(aggregator_named(architecture.aggregator))
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
