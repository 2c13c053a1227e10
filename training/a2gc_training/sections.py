"""What each section of a recipe may say, but for the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from a2gc_training.config import require, require_each


@dataclass(frozen=True)
class ModelSection:
    """The network that is trained.

    Attributes:
        name: A named model of ``a2gc_ros.models``.
        image_size: (height, width) in pixels; None keeps the named model's own.
        backbone: Another backbone in place of the named model's: a name, or the dotted path of a class in a file
            beside the recipe or in the working folder.
        aggregator: The same for the aggregator.
        pretrained: ``backbone`` loads the backbone's published weights, true those of the whole named model
            (downloaded when they are not cached); false loads none.
        trainable_blocks: How many of the backbone's last blocks train; None trains all of it.
        weights: A checkpoint file to start from.
        layout: Its layout, a key of ``a2gc_ros.models.checkpoints.LAYOUTS``; None finds it from the names in the file.
        may_lack: Patterns of weights that the file need not hold (for SALAD's file: ``aggregator.geo*`` and
            ``aggregator.cluster_geo``).
        options: Further arguments of ``a2gc_ros.models.build``.
    """

    name: str
    image_size: tuple[int, int] | None = None
    backbone: str | None = None
    aggregator: str | None = None
    pretrained: bool | Literal["backbone"] = False
    trainable_blocks: int | None = None
    weights: str | None = None
    layout: str | None = None
    may_lack: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InitializeSection:
    """Start of the aggregator from the data, before the first step.

    Attributes:
        images: How many training images to look at, a few hundred; 0 keeps the random start.
        views: Augmented views of each to look at as well.
        contrast: How many times the nearest cluster center outweighs the second nearest for an average feature.
        whitening: How far the scales of principal components in the heads are evened out: 0 not at all, 1 wholly.
    """

    images: int = 0
    views: int = 0
    contrast: float = 100.0
    whitening: float = 0.0

    def __post_init__(self) -> None:
        require(self.images >= 0, f"images is {self.images}; use 0 for no start from data, or a count.")
        require(self.views >= 0, f"views is {self.views}; use 0 for the images alone, or a count.")
        require(self.contrast > 1, "contrast must be above 1, or no center is nearer than another.")
        require(0 <= self.whitening <= 1, "whitening lies between 0 and 1.")


@dataclass(frozen=True)
class SamplingSection:
    """Which images meet in a batch.

    Attributes:
        places_per_batch: Places in one process's batch.
        images_per_place: Images of each.
        min_images: A place with fewer is left out; one with fewer than ``images_per_place`` shows some twice,
            augmented differently.
        steps_per_epoch: Batches in an epoch; None shows every place about once.
        from_one: A column all places of a batch agree in. ``city`` draws a batch from one city of GSV-Cities, as the
            loader that came with that data set does; other places of the same city are harder to tell apart.
        look_alikes: For each place of a batch drawn at random, how many are put beside it that look most like it to
            the model as it was at the end of the last epoch. Every image is described anew for that, and every place
            compared with every other, so this is for thousands of places, not for tens of thousands.
        across: A column (for bags: ``session``); places then look alike by images that differ in it.
    """

    places_per_batch: int = 60
    images_per_place: int = 4
    min_images: int = 2
    steps_per_epoch: int | None = None
    from_one: str | None = None
    look_alikes: int = 0
    across: str | None = None

    def __post_init__(self) -> None:
        require_each(self, 0, "cannot be negative.", "look_alikes")
        require(self.across is None or self.look_alikes > 0, "across says how to find look_alikes; ask for some.")
        require(self.places_per_batch >= 2, "places_per_batch must be at least 2, or there are no negatives.")
        require(self.images_per_place >= 2, "images_per_place must be at least 2, or there are no positives.")
        require_each(self, 1, "must be at least 1.", "min_images")
        require_each(self, 1, "must be positive.", "steps_per_epoch")


@dataclass(frozen=True)
class AugmentationSection:
    """What happens to a training image on its way into the network; every strength at 0 is off.

    Attributes:
        yaw_deg, pitch_deg, roll_deg: Camera turned left or right, up or down, and rolled, by up to this.
        zoom: Scale drawn from [1 - zoom, 1 + zoom].
        crop: Share of the sides that is cut away at most; the rest fills the image.
        perspective: Corners displaced by up to this share of the image's size.
        field_of_view_deg: Horizontal field of view that the turns assume.
        flip: Probability of a mirror image, the same for all images of a place.
        brightness, contrast, saturation, hue: Strength of each one's change; hue's is at most 0.5.
        gamma: Exponent drawn from [1 / (1 + gamma), 1 + gamma].
        gray: Probability of a gray image.
        blur: Probability of a Gaussian blur.
        motion_blur: Probability of a motion blur.
        noise: Standard deviation of added noise, intensities in [0, 1], in half of the images.
        shadow: Probability of an uneven illumination.
        erase: Probability that a box is hidden.
        erase_area: Smallest and largest share of the image that the box covers.
        rand_augment: Operations of RandAugment per image, drawn as torchvision draws them.
        rand_augment_strength: Its magnitude, 0 to 30, as torchvision's.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    zoom: float = 0.0
    crop: float = 0.0
    perspective: float = 0.0
    field_of_view_deg: float = 70.0
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    gamma: float = 0.0
    gray: float = 0.0
    blur: float = 0.0
    motion_blur: float = 0.0
    noise: float = 0.0
    shadow: float = 0.0
    erase: float = 0.0
    erase_area: tuple[float, float] = (0.02, 0.2)
    rand_augment: int = 0
    rand_augment_strength: int = 15

    def __post_init__(self) -> None:
        for name in ("flip", "gray", "blur", "motion_blur", "shadow", "erase"):
            require(0 <= getattr(self, name) <= 1, f"{name} is a probability; keep it between 0 and 1.")
        strengths = "yaw_deg pitch_deg roll_deg zoom crop perspective brightness contrast saturation hue gamma noise"
        require_each(self, 0, "is a strength; it cannot be negative.", *strengths.split())
        require(self.hue <= 0.5, "hue turns the color circle by at most half, so keep it at 0.5 or below.")
        small = max(self.zoom, self.crop) < 1 and self.perspective < 0.5
        require(small, "zoom and crop must stay below 1, perspective below 0.5.")
        require(0 < self.field_of_view_deg < 180, "field_of_view_deg must lie between 0 and 180.")
        low, high = self.erase_area
        require(0 < low <= high < 1, "erase_area is (smallest, largest), both between 0 and 1.")
        require(0 <= self.rand_augment <= 15, "rand_augment is a number of operations from 0 to 15.")
        require(0 <= self.rand_augment_strength <= 30, "rand_augment_strength lies from 0 to 30.")


@dataclass(frozen=True)
class LossSection:
    """The metric loss.

    Attributes:
        name: A loss of ``a2gc_training.losses.LOSSES``, or the dotted path of one like them in a file of your own.
        miner: A miner of ``a2gc_training.losses.MINERS``, or None for all pairs.
        options, miner_options: Arguments of each.
    """

    name: str = "multi_similarity"
    options: dict[str, Any] = field(default_factory=lambda: {"alpha": 1.0, "beta": 50.0, "base": 0.0})
    miner: str | None = "multi_similarity"
    miner_options: dict[str, Any] = field(default_factory=lambda: {"epsilon": 0.1})


@dataclass(frozen=True)
class DistillationSection:
    """A second loss that keeps the student near a teacher.

    Attributes:
        weight: Its weight beside the metric loss; 0 is off.
        teacher: A named model; None is the student itself as it was before the first step. One that sees the
            ``original`` images may also be an ONNX file of ``a2gc export`` or a model file of a training.
        teacher_weights: The teacher's checkpoint file; None loads its published weights.
        teacher_options: Further arguments of ``a2gc_ros.models.build`` for the teacher.
        teacher_layout: The layout of that file, a key of ``a2gc_ros.models.checkpoints.LAYOUTS``; None finds it.
        compare: ``features`` (cosine of each local feature; the maps must have the same shape), ``similarities``
            (mean square difference of the batch's cosine matrices; any two models) or ``descriptors`` (cosine of each
            descriptor with the teacher's, projected on as many principal directions as the student has dimensions).
        teacher_sees: ``augmented`` shows it the student's own images, ``viewpoint`` the same views before their
            light, blur and occlusion were changed, ``original`` every training image once, unchanged, before the
            first step; what it makes of them is kept on disk for later runs.
    """

    weight: float = 0.0
    teacher: str | None = None
    teacher_weights: str | None = None
    teacher_layout: str | None = None
    teacher_options: dict[str, Any] = field(default_factory=dict)
    compare: Literal["features", "similarities", "descriptors"] = "features"
    teacher_sees: Literal["augmented", "viewpoint", "original"] = "augmented"

    def __post_init__(self) -> None:
        require_each(self, 0, "cannot be negative.", "weight")
        if self.teacher_sees == "original":
            require(self.teacher is not None, "a teacher that sees the original images must be named in `teacher`.")
            require(self.compare != "features", "descriptors are what is kept of original images, not features.")
        else:
            require(self.compare != "descriptors", "to compare descriptors, set `teacher_sees` to `original`.")


@dataclass(frozen=True)
class OptimizerSection:
    """AdamW and its linearly falling learning rate.

    Attributes:
        lr: Learning rate of the aggregator.
        backbone_lr: Learning rate of the backbone's trainable blocks; None is ``lr``.
        weight_decay: Decoupled weight decay.
        end_factor: The learning rate falls linearly to this share of its start.
        total_iters: Steps over which it falls; None is the whole run, however much data there is.
        warmup_iters: Steps over which it first rises from a hundredth.
    """

    lr: float = 6e-5
    backbone_lr: float | None = None
    weight_decay: float = 9.5e-9
    end_factor: float = 0.2
    total_iters: int | None = None
    warmup_iters: int = 0

    def __post_init__(self) -> None:
        require(self.lr > 0, "lr must be above 0.")
        require_each(self, 0, "cannot be negative.", "backbone_lr", "weight_decay", "warmup_iters")
        require(0 < self.end_factor <= 1, "end_factor lies above 0 and at most at 1.")
        require_each(self, 1, "must be positive.", "total_iters")


@dataclass(frozen=True)
class TrainerSection:
    """How Lightning runs it.

    Attributes:
        epochs: Passes.
        precision: Lightning's name of the arithmetic.
        accelerator: Lightning's name of the hardware.
        devices: Processes per node, or ``auto``.
        nodes: Machines.
        strategy: Lightning's name of the way several processes work together.
        images_at_once: Images of a batch that pass the network together, for a batch that does not fit in memory; the
            gradient stays that of the whole batch, each image is computed twice. None passes all.
        gradient_clip: Largest norm of the gradient; 0 is no limit.
        workers: Processes per process that read images.
        keep_images: Whether every reading process keeps its images in memory, resized; for small data sets.
        validation_batch: Images per batch while validating.
        monitor: The recall that decides which epoch is kept, as ``SET/recall@K`` or ``mean/recall@K``; None takes
            the first validation set's recall@1.
        average_decay: Decay of an exponential moving average of the weights, which is then what is validated and
            kept; 0 is off.
        log_every: Steps between two log lines.
    """

    epochs: int = 4
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accelerator: str = "auto"
    devices: int | Literal["auto"] = "auto"
    nodes: int = 1
    strategy: str = "auto"
    images_at_once: int | None = None
    gradient_clip: float = 0.0
    workers: int = 2
    keep_images: bool = False
    validation_batch: int = 32
    monitor: str | None = None
    average_decay: float = 0.0
    log_every: int = 10

    def __post_init__(self) -> None:
        require_each(self, 1, "must be at least 1.", "epochs", "nodes", "validation_batch", "log_every")
        require_each(self, 1, "must be positive.", "images_at_once")
        require_each(self, 0, "cannot be negative.", "workers", "gradient_clip")
        require(0 <= self.average_decay < 1, "average_decay lies from 0 to below 1.")
