from __future__ import annotations

import pytest
import torch
from a2gc_training.losses import LOSSES, MINERS, MetricLoss
from a2gc_training.sections import LossSection
from torch.nn import functional

from a2gc_ros.errors import ConfigError

PLACES = torch.arange(6).repeat_interleave(4)


def descriptors(seed: int = 0, dim: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(6, dim, generator=generator)[PLACES]
    return functional.normalize(centers + 1.5 * torch.randn(24, dim, generator=generator), dim=1)


def naive_multi_similarity(x: torch.Tensor, places: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Wang et al. 2019, equations 11 to 15, with alpha 1, beta 50, base 0, over the pairs that mining keeps."""
    similarity = (x @ x.T).double()
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(x)):
        positive = [similarity[i, j] for j in range(len(x)) if j != i and places[j] == places[i]]
        negative = [similarity[i, j] for j in range(len(x)) if places[j] != places[i]]
        kept_positive = [s for s in positive if s - epsilon < max(negative)]
        kept_negative = [s for s in negative if s + epsilon > min(positive)]
        if kept_positive:
            total = total + torch.log(1 + sum(torch.exp(-s) for s in kept_positive))
        if kept_negative:
            total = total + torch.log(1 + sum(torch.exp(50 * s) for s in kept_negative)) / 50
    return total / len(x)


@pytest.mark.parametrize("seed", range(3))
def test_the_default_loss_is_the_papers(seed: int) -> None:
    x = descriptors(seed)
    assert float(MetricLoss(LossSection())(x, PLACES)) == pytest.approx(
        float(naive_multi_similarity(x, PLACES, 0.1)), rel=1e-5
    )


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_descending_a_loss_brings_places_together(name: str) -> None:
    loss = MetricLoss(LossSection(name, {}, None, {}))
    x = descriptors().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.02)

    def gap() -> float:
        unit = functional.normalize(x.detach(), dim=1)
        same = PLACES[:, None] == PLACES
        similarity = unit @ unit.T
        return float(similarity[same].mean() - similarity[~same].mean())

    before, first = gap(), None
    for _ in range(25):
        optimizer.zero_grad()
        value = loss(functional.normalize(x, dim=1), PLACES)
        first = float(value.detach()) if first is None else first
        value.backward()
        optimizer.step()
    assert float(value.detach()) < first
    assert gap() > before


@pytest.mark.parametrize("miner", sorted(MINERS))
def test_every_miner_serves_the_default_loss(miner: str) -> None:
    x = descriptors().requires_grad_()
    MetricLoss(LossSection(miner=miner, miner_options={}))(x, PLACES).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    loss = MetricLoss(LossSection())
    value = loss(descriptors().to(dtype), PLACES)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(descriptors().to(dtype).float(), PLACES))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(descriptors(), PLACES), loss(descriptors(), PLACES).float())
        assert loss(descriptors(), PLACES).dtype == torch.float32


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (LossSection("multi_similarty", {}), "did you mean 'multi_similarity'"),
        (LossSection("zzz", {}), "choose from circle, contrastive"),
        (LossSection(miner="batch_hards", miner_options={}), "did you mean 'batch_hard'"),
        (LossSection(options={"gamma": 1}), "multi_similarity does not take"),
        (LossSection(miner_options={"margin": 1}), "multi_similarity does not take"),
        (LossSection("fastap", {}), "set `loss.miner` to null"),
    ],
)
def test_unknown_names_and_arguments_are_refused(section: LossSection, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        MetricLoss(section)
