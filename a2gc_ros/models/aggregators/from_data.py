"""Linear maps learned from features alone: principal components, whitening and soft k-means."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from a2gc_ros.errors import ModelError

MAX_SAMPLES = 50_000
KMEANS_ROUNDS = 30


def sample_rows(rows: Tensor, *, seed: int) -> Tensor:
    """At most `MAX_SAMPLES` rows of (N, C), chosen at random without repetition, as float32."""
    if len(rows) > MAX_SAMPLES:
        generator = torch.Generator().manual_seed(seed)
        rows = rows[torch.randperm(len(rows), generator=generator)[:MAX_SAMPLES].to(rows.device)]
    return rows.float()


def sample_cells(features: Tensor, *, seed: int) -> Tensor:
    """`sample_rows` of the cells of feature maps (N, C, H, W)."""
    return sample_rows(features.flatten(2).transpose(1, 2).flatten(0, 1), seed=seed)


def set_layer(layer: nn.Linear | nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    """Gives a linear layer, or a convolution of 1x1, a weight (outputs, inputs) and a bias (outputs,)."""
    layer.weight.copy_(weight.reshape(layer.weight.shape))
    assert layer.bias is not None
    layer.bias.copy_(bias)


def principal_components(samples: Tensor, count: int, *, whitening: float) -> tuple[Tensor, Tensor]:
    """The affine map to the first principal components.

    Args:
        samples: (N, C).
        count: Number of components, at most C and below N.
        whitening: Each component is divided by its standard deviation to this power: 0 keeps the scales, 1 makes
            all variances one.

    Returns:
        weight (count, C) and bias (count,), so that weight @ x + bias are the components of x minus the mean.

    Raises:
        ModelError: The data has too few samples or dimensions.
    """
    total, channels = samples.shape
    if count > channels or total <= count:
        raise ModelError(
            f"{count} principal components need more than {count} samples of at least {count} dimensions and got "
            f"{total} of {channels}: give more images or ask for fewer dimensions."
        )
    mean, variances, directions = principal_axes(samples)
    variances = variances[:count].clamp(min=1e-12)
    weight = directions[:, :count].T * variances[:, None] ** (-0.5 * whitening)
    return weight.float(), (-weight @ mean).float()


def principal_axes(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), variances (C,), the largest first, and directions (C, C), in columns, of samples (N, C); float64."""
    samples = samples.double()
    mean = samples.mean(dim=0)
    centered = samples - mean
    variances, directions = torch.linalg.eigh(centered.T @ centered / (len(samples) - 1))
    return mean, variances.flip(0), directions.flip(1)


def kmeans(samples: Tensor, count: int, *, seed: int) -> Tensor:
    """Centers (count, C) of k-means over samples (N, C), started by k-means++.

    An emptied cluster starts again at a random sample.

    Raises:
        ModelError: There are fewer samples than centers.
    """
    if len(samples) < count:
        raise ModelError(f"{count} cluster centers need at least as many samples and got {len(samples)}.")
    generator = torch.Generator(device="cpu").manual_seed(seed)
    centers = _spread_start(samples, count, generator)
    for _ in range(KMEANS_ROUNDS):
        nearest = torch.cdist(samples, centers).argmin(dim=1)
        sizes = torch.bincount(nearest, minlength=count)
        sums = torch.zeros_like(centers).index_add_(0, nearest, samples)
        fresh = samples[torch.randint(len(samples), (count,), generator=generator).to(samples.device)]
        moved = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], fresh)
        if torch.equal(moved, centers):
            break
        centers = moved
    return centers


def soft_scores(samples: Tensor, centers: Tensor, *, contrast: float) -> tuple[Tensor, Tensor]:
    """A linear score of every center whose softmax is a soft assignment to the nearest.

    The score of center c is -α|x - c|² up to a term all centers share: 2α c·x - α|c|².

    Args:
        samples: (N, C).
        centers: (count, C).
        contrast: Ratio of the best to the second best assignment of an average sample; it fixes α.

    Returns:
        weight (count, C) and bias (count,).
    """
    distances = torch.cdist(samples, centers).square()
    best, second = distances.topk(min(2, len(centers)), dim=1, largest=False).values.T[[0, -1]]
    gap = (second - best).mean().clamp(min=1e-12)
    alpha = torch.log(torch.tensor(contrast, dtype=gap.dtype, device=gap.device)) / gap
    return 2 * alpha * centers, -alpha * centers.square().sum(dim=1)


def as_layers(weight: Tensor, bias: Tensor, widths: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Weights of one layer, or of two with a ReLU between, that together compute weight @ x + bias.

    Through a ReLU a value passes as the difference of its positive and its negative part; hidden units beyond those
    start small at random and are not yet heard.

    Args:
        weight: (outputs, inputs).
        bias: (outputs,).
        widths: Outputs of each layer: [outputs] or [hidden, outputs].

    Raises:
        ModelError: The hidden layer is narrower than twice the outputs.
    """
    if len(widths) == 1:
        return [(weight, bias)]
    hidden, outputs = widths
    if hidden < 2 * outputs:
        raise ModelError(
            f"A hidden layer of {hidden} cannot carry {outputs} outputs set from data: make it at least {2 * outputs} "
            "wide, or None for linear heads."
        )
    spare = hidden - 2 * outputs
    rest = weight.new_empty(spare, weight.shape[1]).normal_(std=float(weight.std()))
    identity = torch.eye(outputs, dtype=weight.dtype, device=weight.device)
    first = torch.cat((weight, -weight, rest)), torch.cat((bias, -bias, bias.new_zeros(spare)))
    second = torch.cat((identity, -identity, weight.new_zeros(outputs, spare)), dim=1), torch.zeros_like(bias)
    return [first, second]


def _spread_start(samples: Tensor, count: int, generator: torch.Generator) -> Tensor:
    first = int(torch.randint(len(samples), (1,), generator=generator))
    chosen = [first]
    distance = (samples - samples[first]).square().sum(dim=1)
    for _ in range(count - 1):
        weights = distance.clamp(min=1e-12).double().cpu()
        chosen.append(int(torch.multinomial(weights, 1, generator=generator)))
        distance = torch.minimum(distance, (samples - samples[chosen[-1]]).square().sum(dim=1))
    return samples[chosen]
