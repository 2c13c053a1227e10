"""A²GC: asymmetric aggregation with geometric constraints (arXiv 2511.14109)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from a2gc_ros.models.aggregators.cluster_transport import ClusterTransport
from a2gc_ros.models.aggregators.optimal_transport import asymmetric_transport, sinkhorn_transport
from a2gc_ros.models.baked import Baked

GEOMETRY_DIM = 16
GEOMETRY_SPREAD = 0.02
GEOMETRY_SCALE = 0.15


def grid_coordinates(rows: int, columns: int) -> Tensor:
    """Coordinates in [-1, 1] of a grid's cells, float32 (rows*columns, 2): column first, then row.

    The outermost cells lie at -1 and 1; a single row or column lies at -1.
    """
    x = torch.linspace(-1, 1, columns)
    y = torch.linspace(-1, 1, rows)
    return torch.stack((x.repeat(rows), y.repeat_interleave(columns)), dim=1)


class A2GC(ClusterTransport):
    """A²GC: SALAD's heads, a bias of every cluster towards places in the image, and asymmetric transport.

    Args:
        geometry: Add λ S^g to the scores, where S^g_{ji} = <W_g xy_i + b_g, c_j> depends on the grid alone.
        asymmetric: Use the averaging sweeps of A²GC; otherwise SALAD's Sinkhorn sweeps.
        scale: λ where it is fixed, as the public code fixes it at 0.15; None learns it from there, as the paper's
            formula does. A fixed one is not among the weights.
        **heads: The arguments of `ClusterTransport`.

    With neither this computes what `Salad` computes.
    """

    def __init__(
        self, *, geometry: bool = True, asymmetric: bool = True, scale: float | None = None, **heads: Any
    ) -> None:
        super().__init__(**heads)
        self.geometry = geometry
        self.geo_scale: Tensor | float
        self.asymmetric = asymmetric
        if geometry:
            self.geo_proj = nn.Linear(2, GEOMETRY_DIM)
            self.cluster_geo = nn.Parameter(GEOMETRY_SPREAD * torch.randn(self.clusters, GEOMETRY_DIM))
            self.geo_scale = nn.Parameter(torch.tensor(GEOMETRY_SCALE)) if scale is None else scale
        self._coordinates: dict[tuple[int, int, torch.device], Tensor] = {}
        self.baked = Baked()

    def log_plan(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        """Log transport plan by the chosen solver."""
        solve = asymmetric_transport if self.asymmetric else sinkhorn_transport
        return solve(scores, mask=mask, sweeps=self.sweeps)

    def scores(self, features: Tensor) -> Tensor:
        """Affinity (B, m, n): what the features say, plus where the tokens lie."""
        scores = super().scores(features)
        if not self.geometry:
            return scores
        return scores + self.baked.get((features.shape[-2], features.shape[-1]), self.geometric_bias)

    def geometric_bias(self, rows: int, columns: int) -> Tensor:
        """λ S^g of a grid, (m, rows*columns)."""
        weight = self.geo_proj.weight
        key = (rows, columns, weight.device)
        if key not in self._coordinates:
            # A tensor made under inference mode could never take part in a backward pass.
            with torch.inference_mode(False):
                self._coordinates[key] = grid_coordinates(rows, columns).to(weight.device)
        projected = self.geo_proj(self._coordinates[key].to(weight.dtype))
        return self.geo_scale * (self.cluster_geo @ projected.T)

    def bake(self, rows: int, columns: int) -> None:
        """Keeps the geometric bias of one grid as a constant."""
        if self.geometry:
            self.baked.keep((rows, columns), self.geometric_bias(rows, columns))


ASYOT = A2GC
"""The name the public code of the method uses."""
