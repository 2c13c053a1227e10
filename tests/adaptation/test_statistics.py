"""A site's statistics: shrunk, monotone, and of distinct images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.adaptation.statistics import FEWEST, distinct, fit
from a2gc_ros.errors import ConfigError


def values(n: int, dim: int, seed: int = 0) -> np.ndarray:
    """Values whose mean is not zero and whose directions differ in spread."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (n, dim)) * np.geomspace(5, 0.2, dim) + rng.normal(0, 1, dim)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(FEWEST, 80), dim=st.integers(1, 30), seed=st.integers(0, 99), scale=st.floats(1e-3, 1e3))
def test_what_holds_for_every_site(n: int, dim: int, seed: int, scale: float) -> None:
    given_values = values(n, dim, seed)
    found = fit(given_values)
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    spread = np.linalg.eigvalsh(found.matrix)
    assert spread.min() > 0
    assert spread.max() <= 1 + 1e-9
    # A unit of measure and the order of the images mean nothing.
    other = fit(scale * given_values[::-1])
    np.testing.assert_allclose(other.matrix, found.matrix, atol=1e-7)
    np.testing.assert_allclose(other.mean, scale * found.mean, rtol=1e-6, atol=1e-9 * scale)
    # Neither does the choice of axes.
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]
    turned = fit(given_values @ turn).describe(given_values @ turn)
    here = found.describe(given_values)
    np.testing.assert_allclose(turned @ turned.T, here @ here.T, atol=1e-4)


def test_many_images_are_whitened_and_few_leave_the_model_as_it_is() -> None:
    many = values(20_000, 8)
    found = fit(many)
    covariance = np.cov(((many - found.mean) @ found.matrix).T)
    spread = np.linalg.eigvalsh(covariance)
    assert spread.max() / spread.min() < 1.3
    np.testing.assert_allclose(found.mean, many.mean(axis=0), rtol=1e-2, atol=1e-2)
    few = fit(values(FEWEST, 512))
    assert few.covariance_weight < 0.02
    assert few.mean_weight == pytest.approx(2 / 3)


def test_every_further_image_gives_the_site_more_weight() -> None:
    weights = [(fit(values(n, 16)).mean_weight, fit(values(n, 16)).covariance_weight) for n in (20, 40, 80, 160)]
    assert weights == sorted(weights)
    assert weights[-1][0] < 1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.ones((FEWEST - 1, 4)), "19 distinct images are too few to learn a site from, it takes 20"),
        (np.ones((FEWEST, 4)), "all the same"),
    ],
)
def test_too_little_is_refused(bad: np.ndarray, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fit(bad)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 99), st.floats(0, 1.5))
def test_chosen_images_differ_and_the_others_resemble_one(n: int, dim: int, seed: int, offset: float) -> None:
    given_values = np.random.default_rng(seed).normal(size=(n, dim)) + offset
    chosen = distinct(given_values)
    assert chosen[0] == 0
    squares = np.square(given_values[:, None] - given_values).sum(axis=2)
    mean = np.square(given_values.mean(axis=0)).sum()
    least = max(np.square(given_values).sum(axis=1).mean() - mean, 0.25 * mean)
    between = squares[np.ix_(chosen, chosen)]
    assert (between[~np.eye(len(chosen), dtype=bool)] >= least - 1e-9).all()
    left_out = np.setdiff1d(np.arange(n), chosen)
    assert all(squares[at, chosen[chosen < at]].min() <= least + 1e-9 for at in left_out)


def test_what_all_images_share_does_not_make_them_one() -> None:
    moving = np.random.default_rng(0).normal(size=(50, 64))
    assert len(distinct(moving)) == len(distinct(moving + 1.5)) == 50
    # Of one view there is nothing but noise.
    assert len(distinct(10 + 0.5 * moving)) == 1


def test_a_robot_that_stands_still_gives_one_image() -> None:
    rng = np.random.default_rng(0)
    moving = rng.normal(size=(10, 64))
    standing = moving[5] + 0.1 * rng.normal(size=(500, 64))
    assert distinct(np.concatenate([moving[:6], standing, moving[6:]])).tolist() == [0, 1, 2, 3, 4, 5, *range(506, 510)]
