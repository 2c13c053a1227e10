from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from a2gc_training.losses import LOSSES, MINERS, Distillation, MetricLoss, standardise
from a2gc_training.recipe import DistillationSection, LossSection
from torch.nn import functional

from a2gc_ros import models
from a2gc_ros.errors import ConfigError, ModelError

PLACES = torch.arange(6).repeat_interleave(4)


def descriptors(seed: int = 0, dim: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(6, dim, generator=generator)[PLACES]
    return functional.normalize(centres + 1.5 * torch.randn(24, dim, generator=generator), dim=1)


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
    optimiser = torch.optim.Adam([x], lr=0.02)

    def gap() -> float:
        unit = functional.normalize(x.detach(), dim=1)
        same = PLACES[:, None] == PLACES
        similarity = unit @ unit.T
        return float(similarity[same].mean() - similarity[~same].mean())

    before, first = gap(), None
    for _ in range(25):
        optimiser.zero_grad()
        value = loss(functional.normalize(x, dim=1), PLACES)
        first = float(value.detach()) if first is None else first
        value.backward()
        optimiser.step()
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


def small_model(**options: Any) -> models.PlaceModel:
    settings = {"last_stage": 1, "clusters": 2, "cluster_dim": 8, "token_dim": 8, "hidden": None, **options}
    return models.build("a2gc-resnet18", image_size=(32, 48), **settings).eval()


def test_a_student_is_no_distance_from_itself_and_some_once_it_moves() -> None:
    student = small_model()
    images = torch.rand(3, 3, 32, 48)
    ready = standardise(images, student.preprocessing.mean, student.preprocessing.std)
    for compare in ("features", "similarities"):
        distance = Distillation(DistillationSection(weight=1.0, compare=compare), copy.deepcopy(student))
        with torch.no_grad():
            features = student.backbone(ready)
            same = student.aggregator(features.map, features.token)
        assert float(distance(images, features.map, same)) == pytest.approx(0, abs=1e-5)
        other = torch.randn_like(features.map)
        apart = functional.normalize(torch.randn_like(same), dim=1)
        expected = (
            1 - functional.cosine_similarity(features.map, other, dim=1).mean()
            if compare == "features"
            else (same @ same.T - apart @ apart.T).square().mean()
        )
        assert float(distance(images, other, apart)) == pytest.approx(float(expected), abs=1e-5)


def test_the_teacher_is_no_part_of_the_students_weights() -> None:
    distance = Distillation(DistillationSection(weight=1.0), small_model())
    assert not list(distance.parameters())
    assert not distance.state_dict()
    assert not any(parameter.requires_grad for parameter in distance.teacher.parameters())


def test_a_teacher_of_another_kind_compares_by_similarities_only() -> None:
    teacher = models.build("gem-resnet18", image_size=(64, 64)).eval()
    images, features = torch.rand(3, 3, 32, 48), torch.rand(3, 128, 4, 6)
    by_similarity = Distillation(DistillationSection(weight=1.0, compare="similarities"), teacher)
    assert float(by_similarity(images, features, functional.normalize(torch.randn(3, 5), dim=1))) > 0
    with pytest.raises(ModelError, match=r"set `distillation\.compare` to `similarities`"):
        Distillation(DistillationSection(weight=1.0), teacher)(images, features, torch.eye(3))
