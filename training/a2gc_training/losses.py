"""Metric losses and miners by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, cast

import torch
from pytorch_metric_learning import losses, miners
from torch import Tensor, nn

from a2gc_ros.errors import ConfigError
from a2gc_ros.models import own_code
from a2gc_training.sections import LossSection

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
        """Scalar float32 loss of descriptors (B, D), L2-normalized, and places int64 (B,)."""
        with torch.autocast(descriptors.device.type, enabled=False):
            descriptors = descriptors.float()
            pairs = None if self.miner is None else self.miner(descriptors, places)
            return self.loss(descriptors, places, pairs)


def _build(what: str, known: Mapping[str, type[nn.Module]], name: str, options: Mapping[str, Any]) -> nn.Module:
    kind = known.get(name) or (own_code.declare(name) if own_code.is_dotted(name) else None)
    if kind is None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        advice = f"choose from {', '.join(known)}, or name your own by its path."
        raise ConfigError(f"There is no {what} {name!r}; {f'did you mean {near[0]!r}?' if near else advice}")
    try:
        return cast("nn.Module", kind(**options))
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"The {what} {name} does not take {dict(options)}: {error}.") from error
