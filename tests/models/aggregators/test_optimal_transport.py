"""The solvers against naive loops in float64, and the facts any plan of theirs must show."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from a2gc_ros.errors import ModelError
from a2gc_ros.models.aggregators.optimal_transport import (
    asymmetric_transport,
    balanced_asymmetric_transport,
    sinkhorn_transport,
    with_dustbin,
)


def log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def masses(clusters: int, tokens: int, *, floor: bool) -> tuple[list[float], float]:
    left = max(tokens - clusters, 1) if floor else tokens - clusters
    unit = -math.log(tokens + clusters)
    return [unit] * clusters + [math.log(left) + unit], unit


def naive_asymmetric(scores: list[list[float]]) -> list[list[float]]:
    rows, tokens = len(scores), len(scores[0])
    log_a, log_b = masses(rows - 1, tokens, floor=True)
    z = scores
    for _ in range(3):
        by_row = [log_sum_exp(row) for row in z]
        by_column = [log_sum_exp([z[j][i] for j in range(rows)]) for i in range(tokens)]
        z = [[0.5 * ((z[j][i] - by_row[j]) + (z[j][i] - by_column[i])) for i in range(tokens)] for j in range(rows)]
    by_row = [log_sum_exp(row) for row in z]
    z = [[z[j][i] + log_a[j] - by_row[j] for i in range(tokens)] for j in range(rows)]
    by_column = [log_sum_exp([z[j][i] for j in range(rows)]) for i in range(tokens)]
    return [[z[j][i] + log_b - by_column[i] for i in range(tokens)] for j in range(rows)]


def naive_sinkhorn(scores: list[list[float]]) -> list[list[float]]:
    """Sinkhorn on the plan itself rather than on its logarithm: another road to the same place."""
    rows, tokens = len(scores), len(scores[0])
    log_a, log_b = masses(rows - 1, tokens, floor=False)
    plan = [[math.exp(value) for value in row] for row in scores]
    for _ in range(3):
        for j in range(rows):
            factor = math.exp(log_a[j]) / sum(plan[j])
            plan[j] = [value * factor for value in plan[j]]
        for i in range(tokens):
            factor = math.exp(log_b) / sum(plan[j][i] for j in range(rows))
            for j in range(rows):
                plan[j][i] *= factor
    return [[math.log(value) for value in row] for row in plan]


def random_scores(batch: int, clusters: int, tokens: int, *, seed: int, spread: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = spread * torch.randn(batch, clusters, tokens, generator=generator, dtype=torch.float64)
    return with_dustbin(scores, torch.tensor(1.0))


SOLVERS = {"asymmetric": (asymmetric_transport, naive_asymmetric), "sinkhorn": (sinkhorn_transport, naive_sinkhorn)}
shapes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 12), st.integers(0, 10_000))


@pytest.mark.parametrize("name", SOLVERS)
@settings(deadline=None, max_examples=40)
@given(shape=shapes)
def test_equals_the_naive_loop(name: str, shape: tuple[int, int, int, int]) -> None:
    batch, clusters, more, seed = shape
    solve, naive = SOLVERS[name]
    scores = random_scores(batch, clusters, clusters + more, seed=seed)
    expected = torch.tensor([naive(image) for image in scores.tolist()], dtype=torch.float64)
    torch.testing.assert_close(solve(scores), expected, atol=1e-10, rtol=1e-10)


@settings(deadline=None, max_examples=40)
@given(shape=shapes)
def test_without_a_dustbin_the_masses_are_even(shape: tuple[int, int, int, int]) -> None:
    batch, clusters, more, seed = shape
    tokens = clusters + more
    scores = random_scores(batch, clusters - 1, tokens, seed=seed)
    z = scores.numpy()
    for _ in range(3):
        z = ((z - np.log(np.exp(z).sum(2, keepdims=True))) + (z - np.log(np.exp(z).sum(1, keepdims=True)))) / 2
    expected = np.exp(z) / np.exp(z).sum(2, keepdims=True) / clusters
    expected = expected / expected.sum(1, keepdims=True) / tokens
    plan = balanced_asymmetric_transport(scores).exp()
    np.testing.assert_allclose(plan, expected, atol=1e-12)
    mask = torch.ones(batch, tokens, dtype=torch.bool)
    mask[:, -1] = False
    masked = balanced_asymmetric_transport(scores, mask=mask).exp()
    assert (masked[..., -1] == 0).all()
    torch.testing.assert_close(masked[..., :-1], balanced_asymmetric_transport(scores[..., :-1]).exp())


@pytest.mark.parametrize("name", SOLVERS)
@settings(deadline=None, max_examples=40)
@given(shape=shapes)
def test_every_token_brings_its_exact_mass(name: str, shape: tuple[int, int, int, int]) -> None:
    batch, clusters, more, seed = shape
    tokens = clusters + more
    plan = SOLVERS[name][0](random_scores(batch, clusters, tokens, seed=seed)).exp()
    mass = torch.full((batch, tokens), 1 / (tokens + clusters), dtype=torch.float64)
    torch.testing.assert_close(plan.sum(dim=1), mass, atol=1e-12, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(shape=shapes)
def test_sinkhorn_only_adds_a_row_and_a_column_potential(shape: tuple[int, int, int, int]) -> None:
    batch, clusters, more, seed = shape
    scores = random_scores(batch, clusters, clusters + more, seed=seed)
    assert_sum_of_potentials(sinkhorn_transport(scores) - scores)


@settings(deadline=None, max_examples=40)
@given(shape=shapes)
def test_asymmetric_only_adds_a_row_and_a_column_potential(shape: tuple[int, int, int, int]) -> None:
    batch, clusters, more, seed = shape
    scores = random_scores(batch, clusters, clusters + more, seed=seed)
    assert_sum_of_potentials(asymmetric_transport(scores) - scores)


def assert_sum_of_potentials(difference: Tensor) -> None:
    """u_j + v_i has no interaction: subtracting the first row and the first column leaves nothing."""
    interaction = difference - difference[:, :1] - difference[:, :, :1] + difference[:, :1, :1]
    assert interaction.abs().max() < 1e-9


def test_cluster_masses_hold_only_approximately() -> None:
    clusters, tokens = 4, 20
    plan = asymmetric_transport(random_scores(1, clusters, tokens, seed=3)).exp()[0].sum(dim=1)
    wanted = torch.tensor([1.0] * clusters + [tokens - clusters]).double() / (tokens + clusters)
    error = (plan - wanted).abs().max()
    assert 1e-6 < error < 0.2


def test_asymmetric_takes_fewer_tokens_than_clusters_and_sinkhorn_refuses() -> None:
    scores = random_scores(1, 6, 4, seed=0)
    assert asymmetric_transport(scores).isfinite().all()
    with pytest.raises(ModelError, match="4 tokens for 6 clusters"):
        sinkhorn_transport(scores)


@pytest.mark.parametrize("name", SOLVERS)
def test_masked_tokens_are_as_if_absent(name: str) -> None:
    solve = SOLVERS[name][0]
    scores = random_scores(2, 3, 12, seed=5)
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[0, 2:5] = False
    mask[1, 9:] = False
    plan = solve(scores, mask=mask)
    for image in range(2):
        alone = solve(scores[image : image + 1, :, mask[image]])
        torch.testing.assert_close(plan[image : image + 1, :, mask[image]], alone, atol=1e-12, rtol=1e-12)
        assert (plan[image, :, ~mask[image]] == -torch.inf).all()


def test_a_mask_without_any_token_is_refused() -> None:
    mask = torch.tensor([[True] * 8, [False] * 8])
    with pytest.raises(ModelError, match="without any token"):
        asymmetric_transport(random_scores(2, 3, 8, seed=0), mask=mask)


def test_a_mask_that_leaves_too_few_tokens_is_refused_by_sinkhorn() -> None:
    mask = torch.tensor([[True] * 3 + [False] * 5])
    with pytest.raises(ModelError, match="3 tokens for 3 clusters"):
        sinkhorn_transport(random_scores(1, 3, 8, seed=0), mask=mask)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(name: str, masked: bool) -> None:
    scores = random_scores(2, 2, 5, seed=7).requires_grad_()
    mask = torch.tensor([[True, True, True, True, False], [True, False, True, True, True]]) if masked else None

    def plan(values: Tensor) -> Tensor:
        return SOLVERS[name][0](values, mask=mask).exp()

    assert torch.autograd.gradcheck(plan, (scores,))


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_stays_in_float32_under_autocast(name: str, dtype: torch.dtype) -> None:
    scores = random_scores(2, 8, 64, seed=11).float()
    with torch.autocast("cpu", dtype=dtype):
        under = SOLVERS[name][0](scores)
    assert under.dtype == torch.float32
    assert torch.equal(under, SOLVERS[name][0](scores))


@pytest.mark.parametrize("name", SOLVERS)
def test_half_precision_scores_are_lifted(name: str) -> None:
    scores = random_scores(1, 4, 16, seed=2).half()
    assert SOLVERS[name][0](scores).dtype == torch.float32


def test_extreme_scores_stay_finite() -> None:
    scores = with_dustbin(torch.tensor([[[1e4, -1e4, 0.0, 5.0], [-1e4, 1e4, 3.0, 0.0]]]), torch.tensor(1.0))
    for solve in (asymmetric_transport, sinkhorn_transport):
        assert not solve(scores).isnan().any()
        assert solve(scores).exp().sum() == pytest.approx(4 / 6, rel=1e-4)
