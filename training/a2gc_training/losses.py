"""Metric losses and miners by name, and distillation."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_metric_learning import losses, miners
from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ConfigError, ModelError
from a2gc_ros.models.place_model import PlaceModel
from a2gc_training.recipe import DistillationSection, LossSection

LOSSES: dict[str, type[nn.Module]] = {
    "circle": losses.CircleLoss,
    "contrastive": losses.ContrastiveLoss,
    "fastap": losses.FastAPLoss,
    "generalized_lifted_structure": losses.GeneralizedLiftedStructureLoss,
    "multi_similarity": losses.MultiSimilarityLoss,
    "n_pairs": losses.NPairsLoss,
    "nt_xent": losses.NTXentLoss,
    "smooth_ap": losses.SmoothAPLoss,
    "supcon": losses.SupConLoss,
    "triplet": losses.TripletMarginLoss,
    "tuplet": losses.TupletMarginLoss,
}

MINERS: dict[str, type[nn.Module]] = {
    "batch_easy_hard": miners.BatchEasyHardMiner,
    "batch_hard": miners.BatchHardMiner,
    "multi_similarity": miners.MultiSimilarityMiner,
    "pair_margin": miners.PairMarginMiner,
    "triplet_margin": miners.TripletMarginMiner,
}

_SELECTS_ITS_OWN_PAIRS = frozenset({"fastap", "smooth_ap"})


class MetricLoss(nn.Module):
    """A loss over a batch's descriptors and the places they show.

    Args:
        section: Names and arguments.

    Raises:
        ConfigError: A name or argument is unknown, or the loss takes no miner.
    """

    def __init__(self, section: LossSection) -> None:
        super().__init__()
        if section.miner is not None and section.name in _SELECTS_ITS_OWN_PAIRS:
            raise ConfigError(f"The loss {section.name} selects its own pairs; set `loss.miner` to null.")
        self.loss = _build("loss", LOSSES, section.name, section.options)
        self.miner = None if section.miner is None else _build("miner", MINERS, section.miner, section.miner_options)

    def forward(self, descriptors: Tensor, places: Tensor) -> Tensor:
        """Scalar float32 loss of descriptors (B, D), L2-normalised, and places int64 (B,)."""
        with torch.autocast(descriptors.device.type, enabled=False):
            descriptors = descriptors.float()
            pairs = None if self.miner is None else self.miner(descriptors, places)
            return self.loss(descriptors, places, pairs)


def _build(what: str, known: Mapping[str, type[nn.Module]], name: str, options: Mapping[str, Any]) -> nn.Module:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise ConfigError(
            f"There is no {what} {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}.")
        )
    try:
        return known[name](**options)
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"The {what} {name} does not take {dict(options)}: {error}.") from error


class Distillation(nn.Module):
    """How far a student is from a teacher.

    The teacher is no submodule: it is neither trained nor written to checkpoints.

    Args:
        section: What is compared.
        teacher: The teacher; it is frozen.
    """

    def __init__(self, section: DistillationSection, teacher: PlaceModel) -> None:
        super().__init__()
        self.weight = section.weight
        self.compare = section.compare
        self.sees_clean = section.teacher_sees == "viewpoint"
        self._teacher = (teacher.eval().requires_grad_(False),)

    @property
    def teacher(self) -> PlaceModel:
        """The frozen teacher."""
        return self._teacher[0]

    def forward(self, images: Tensor, feature_map: Tensor, descriptors: Tensor) -> Tensor:
        """Scalar float32 distance.

        Args:
            images: What the teacher sees, float (B, 3, H, W) in [0, 1].
            feature_map: The student's local features (B, C, H', W').
            descriptors: The student's descriptors (B, D), L2-normalised.

        Raises:
            ModelError: Features are compared and the two models' maps differ in shape.
        """
        with torch.no_grad():
            ready = self._teacher_input(images)
            if self.compare == "similarities":
                target = self.teacher(ready).float()
                target = target @ target.T
            else:
                target = self.teacher.backbone(ready).map.float()
        if self.compare == "similarities":
            similarities = descriptors.float() @ descriptors.float().T
            return functional.mse_loss(similarities, target)
        if target.shape != feature_map.shape:
            raise ModelError(
                f"The teacher's features are {tuple(target.shape[1:])} and the student's {tuple(feature_map.shape[1:])}"
                "; set `distillation.compare` to `similarities`."
            )
        return 1 - functional.cosine_similarity(feature_map.float(), target, dim=1).mean()

    def _teacher_input(self, images: Tensor) -> Tensor:
        preprocessing = self.teacher.preprocessing
        size = (preprocessing.height, preprocessing.width)
        if images.shape[-2:] != size:
            images = functional.interpolate(images, size, mode="bilinear", antialias=True)
        return standardise(images, preprocessing.mean, preprocessing.std)


def standardise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Images (B, 3, H, W) less ``mean``, divided by ``std``, by channel."""
    shift, scale = (images.new_tensor(values).reshape(3, 1, 1) for values in (mean, std))
    return (images - shift) / scale
