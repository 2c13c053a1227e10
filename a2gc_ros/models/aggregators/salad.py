"""SALAD: optimal-transport aggregation with ordinary Sinkhorn sweeps (Izquierdo and Civera, arXiv 2311.15937)."""

from __future__ import annotations

from torch import Tensor

from a2gc_ros.models.aggregators.cluster_transport import ClusterTransport
from a2gc_ros.models.aggregators.optimal_transport import sinkhorn_transport


class Salad(ClusterTransport):
    """SALAD; its arguments are those of `ClusterTransport`. It needs more tokens than clusters."""

    def log_plan(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        """Log transport plan after Sinkhorn sweeps."""
        return sinkhorn_transport(scores, mask=mask, sweeps=self.sweeps)
