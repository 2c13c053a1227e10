"""What happens inside a model on the way to a descriptor, for pictures and for exports that show it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from a2gc_ros.models.aggregators.a2gc import A2GC
from a2gc_ros.models.aggregators.cluster_transport import ClusterTransport
from a2gc_ros.models.aggregators.projected import Projected
from a2gc_ros.models.aggregators.vlad import VLAD
from a2gc_ros.models.place_model import PlaceModel


class Inside(NamedTuple):
    """A descriptor and what it was pooled from, for B images on a grid of H' x W' patches.

    `descriptor` (B, D); `features` (B, C, H', W') of the backbone; `plan` (B, m+1, H', W'), the mass that each of m
    clusters and, last, the dustbin takes of each patch; `bias` (m, H', W'), what the place of a patch adds to its
    scores. VLAD has no dustbin, so its row is zero. `plan` is None for an aggregator without clusters, `bias` for one
    without geometry.
    """

    descriptor: Tensor
    features: Tensor
    plan: Tensor | None
    bias: Tensor | None


def look_inside(model: PlaceModel, images: Tensor) -> Inside:
    """Runs a model on normalized images (B, 3, H, W) and keeps what is between."""
    found = model.backbone(images)
    aggregator = model.aggregator.agg if isinstance(model.aggregator, Projected) else model.aggregator
    grid = found.map.shape[-2:]
    plan = aggregator.assignment(found.map) if isinstance(aggregator, ClusterTransport | VLAD) else None
    if plan is not None and isinstance(aggregator, VLAD):
        plan = functional.pad(plan, (0, 0, 0, 1))
    bias = aggregator.geometric_bias(*grid) if isinstance(aggregator, A2GC) and aggregator.geometry else None
    return Inside(
        model.aggregator(found.map, found.token),
        found.map,
        None if plan is None else plan.unflatten(-1, grid),
        None if bias is None else bias.unflatten(-1, grid),
    )
