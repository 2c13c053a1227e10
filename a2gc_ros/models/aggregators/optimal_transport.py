"""Entropic transport of tokens to clusters and a dustbin, in the log domain.

Scores M are (B, m+1, n): one row for each cluster, the dustbin last; one column for each token. Both solvers run a
fixed small number of sweeps, which is part of the model a checkpoint was trained with: more sweeps are not better.

Masses, with n the number of tokens that count: each token brings b = 1/(n+m), each cluster asks for a = 1/(n+m) and
the dustbin for what is left over.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from a2gc_ros.errors import ModelError
from a2gc_ros.models.precision import at_least_float32, full_precision

SWEEPS = 3


def with_dustbin(scores: Tensor, dustbin: Tensor) -> Tensor:
    """Cluster scores (B, m, n) with one more row that holds the scalar `dustbin` everywhere: (B, m+1, n)."""
    batch, _, tokens = scores.shape
    row = dustbin.to(scores.dtype).reshape(1, 1, 1).expand(batch, 1, tokens)
    return torch.cat((scores, row), dim=1)


def asymmetric_transport(scores: Tensor, *, mask: Tensor | None = None, sweeps: int = SWEEPS) -> Tensor:
    """Log of the transport plan of A²GC (arXiv 2511.14109).

    Each sweep averages the row- and the column-normalized scores; then one scaling to the clusters' masses and one
    to the tokens' masses follow. The token masses therefore hold exactly, the cluster masses approximately.

    Args:
        scores: M, (B, m+1, n) with the dustbin last; computed in at least float32.
        mask: Boolean (B, n), true for tokens that count; all do if not given.
        sweeps: Number of averaging sweeps.

    Returns:
        log P, (B, m+1, n); -inf for tokens that do not count.

    Raises:
        ModelError: The mask leaves an image without any token.
    """
    with full_precision(scores):
        z = at_least_float32(scores)
        counts = _token_counts(z, mask)
        clusters = scores.shape[1] - 1
        log_a, log_b = _log_masses(counts, clusters, torch.clamp(counts - clusters, min=1))
        return _averaging_sweeps(z, log_a, log_b, mask, sweeps)


def balanced_asymmetric_transport(scores: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """`asymmetric_transport` without a dustbin: each of m clusters asks for 1/m, each of n tokens brings 1/n.

    Returns log P, (B, m, n) as the scores are, with one row for each cluster and -inf for tokens that do not count;
    mask and errors are those of `asymmetric_transport`.
    """
    with full_precision(scores):
        z = at_least_float32(scores)
        log_b = -torch.log(_token_counts(z, mask))
        return _averaging_sweeps(z, -math.log(scores.shape[1]), log_b, mask, SWEEPS)


def sinkhorn_transport(scores: Tensor, *, mask: Tensor | None = None, sweeps: int = SWEEPS) -> Tensor:
    """Log of the transport plan of SALAD (arXiv 2311.15937): ordinary Sinkhorn sweeps, rows then columns.

    Arguments and result are those of `asymmetric_transport`.

    Raises:
        ModelError: There are not more tokens than clusters, so that nothing is left for the dustbin.
    """
    clusters, tokens = scores.shape[1] - 1, scores.shape[2]
    if tokens <= clusters:
        raise ModelError(_too_few_tokens(tokens, clusters))
    with full_precision(scores):
        m = at_least_float32(scores)
        counts = _token_counts(m, mask)
        if mask is not None and bool((counts <= clusters).any()):
            raise ModelError(_too_few_tokens(int(counts.min()), clusters))
        log_a, log_b = _log_masses(counts, clusters, counts - clusters)
        v = torch.zeros_like(m[:, :1])
        u = torch.zeros_like(m[:, :, :1])
        for _ in range(sweeps):
            u = log_a - _over_tokens(m + v, mask)
            v = log_b - _over_clusters(m + u)
        return _without_masked(m + u + v, mask)


def _averaging_sweeps(z: Tensor, log_a: Tensor | float, log_b: Tensor, mask: Tensor | None, sweeps: int) -> Tensor:
    """The plan of A²GC for log masses `log_a` of the clusters and `log_b` of the tokens."""
    for _ in range(sweeps):
        z = 0.5 * ((z - _over_tokens(z, mask)) + (z - _over_clusters(z)))
    z = z + log_a - _over_tokens(z, mask)
    z = z + log_b - _over_clusters(z)
    return _without_masked(z, mask)


def _too_few_tokens(tokens: int, clusters: int) -> str:
    return (
        f"SALAD needs more tokens than clusters and got {tokens} tokens for {clusters} clusters: "
        "use a larger image or fewer clusters, or A2GC, which has no such limit."
    )


def _token_counts(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Tokens that count in each image, (B or 1, 1, 1) in the dtype of the scores."""
    if mask is None:
        return scores.new_full((1, 1, 1), scores.shape[2])
    counts = mask.sum(dim=1).to(scores.dtype).reshape(-1, 1, 1)
    if bool((counts == 0).any()):
        raise ModelError("The token mask leaves an image without any token: keep at least one in every image.")
    return counts


def _log_masses(counts: Tensor, clusters: int, leftover: Tensor) -> tuple[Tensor, Tensor]:
    """Log a, (B or 1, m+1, 1), and log b, (B or 1, 1, 1)."""
    log_unit = -torch.log(counts + clusters)
    log_dust = torch.log(leftover) + log_unit
    return torch.cat((log_unit.expand(-1, clusters, -1), log_dust), dim=1), log_unit


def _over_tokens(z: Tensor, mask: Tensor | None) -> Tensor:
    return torch.logsumexp(_without_masked(z, mask), dim=2, keepdim=True)


def _over_clusters(z: Tensor) -> Tensor:
    return torch.logsumexp(z, dim=1, keepdim=True)


def _without_masked(z: Tensor, mask: Tensor | None) -> Tensor:
    return z if mask is None else z.masked_fill(~mask[:, None, :], -torch.inf)
