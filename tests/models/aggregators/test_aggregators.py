"""A²GC and its peers against formulas written out in NumPy, and what holds for any aggregator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from a2gc_ros.errors import ModelError
from a2gc_ros.models.aggregator import Aggregator, DataStart
from a2gc_ros.models.aggregators.a2gc import A2GC, ASYOT, grid_coordinates
from a2gc_ros.models.aggregators.gem import GeM
from a2gc_ros.models.aggregators.netvlad import NetVLAD
from a2gc_ros.models.aggregators.projected import Projected
from a2gc_ros.models.aggregators.salad import Salad
from a2gc_ros.models.aggregators.vlad import VLAD
from a2gc_ros.models.architecture import AGGREGATORS

Array = NDArray[np.float64]
SMALL = {"in_channels": 12, "token_channels": 10}
HEADS = {"clusters": 5, "cluster_dim": 4, "token_dim": 6, "hidden": 16}


def make(name: str) -> Aggregator:
    torch.manual_seed(0)
    aggregators: dict[str, Aggregator] = {
        "a2gc": A2GC(**SMALL, **HEADS),
        "a2gc linear": A2GC(**SMALL, **{**HEADS, "hidden": None}),
        "a2gc no token": A2GC(**SMALL, **{**HEADS, "token_dim": 0}),
        "a2gc no geometry": A2GC(**SMALL, **HEADS, geometry=False),
        "a2gc symmetric": A2GC(**SMALL, **HEADS, asymmetric=False),
        "salad": Salad(**SMALL, **HEADS),
        "gem": GeM(**SMALL),
        "netvlad": NetVLAD(**SMALL, clusters=5),
        "projected": Projected(Salad(**SMALL, **HEADS), 7),
        "vlad": VLAD(**SMALL, clusters=5, cluster_dim=4, descriptor_dim=7),
        "vlad softmax": VLAD(**SMALL, clusters=5, cluster_dim=4, descriptor_dim=7, assignment="softmax"),
    }
    return aggregators[name].eval()


NAMES = [
    "a2gc",
    "a2gc linear",
    "a2gc no token",
    "a2gc no geometry",
    "a2gc symmetric",
    "salad",
    "gem",
    "netvlad",
    "projected",
    "vlad",
    "vlad softmax",
]


def features(batch: int = 3, rows: int = 4, columns: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 12, rows, columns, generator=generator), torch.randn(batch, 10, generator=generator)


def normalized(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def weights_of(module: nn.Module) -> dict[str, Array]:
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def head(weights: dict[str, Array], name: str, last: int, x: Array) -> Array:
    """Two layers with a ReLU on columns of x; 1x1 convolutions are matrices here."""
    w0, b0 = weights[f"{name}.0.weight"], weights[f"{name}.0.bias"]
    w1, b1 = weights[f"{name}.{last}.weight"], weights[f"{name}.{last}.bias"]
    hidden = np.maximum(w0.reshape(len(b0), -1) @ x + b0[:, None], 0)
    return w1.reshape(len(b1), -1) @ hidden + b1[:, None]


def naive_descriptor(model: Salad | A2GC, feature_map: Tensor, token: Tensor) -> Array:
    """One image, from the formulas, in float64."""
    w = weights_of(model)
    channels, rows, columns = feature_map.shape
    x = feature_map.double().numpy().reshape(channels, -1)
    scores = head(w, "score", 3, x)
    clusters, tokens = scores.shape
    geometric = isinstance(model, A2GC) and model.geometry
    if geometric:
        for i in range(tokens):
            row, column = divmod(i, columns)
            xy = np.array([2 * column / (columns - 1) - 1, 2 * row / (rows - 1) - 1])
            embedded = w["geo_proj.weight"] @ xy + w["geo_proj.bias"]
            for j in range(clusters):
                scores[j, i] += w["geo_scale"] * (embedded @ w["cluster_geo"][j])
    z = np.vstack([scores, np.full((1, tokens), w["dust_bin"])])
    log_b = -np.log(tokens + clusters)
    log_a = np.full((clusters + 1, 1), log_b)
    if isinstance(model, A2GC) and model.asymmetric:
        log_a[-1] += np.log(max(tokens - clusters, 1))
        for _ in range(3):
            z = ((z - np.log(np.exp(z).sum(1, keepdims=True))) + (z - np.log(np.exp(z).sum(0)))) / 2
        z = z + log_a - np.log(np.exp(z).sum(1, keepdims=True))
        z = z + log_b - np.log(np.exp(z).sum(0))
        plan = np.exp(z)
    else:
        log_a[-1] += np.log(tokens - clusters)
        plan = np.exp(z)
        for _ in range(3):
            plan *= np.exp(log_a) / plan.sum(1, keepdims=True)
            plan *= np.exp(log_b) / plan.sum(0)
    local = head(w, "cluster_features", 3, x)
    pooled = np.zeros((local.shape[0], clusters))
    for j in range(clusters):
        pooled[:, j] = normalized(sum(plan[j, i] * local[:, i] for i in range(tokens)))
    t = normalized(head(w, "token_features", 2, token.double().numpy()[:, None])[:, 0])
    return normalized(np.concatenate([t, pooled.reshape(-1)]))


def naive_vlad(model: VLAD, feature_map: Tensor, *, transport: bool) -> Array:
    """One image, from the formulas, in float64."""
    w = weights_of(model)
    local = w["local.weight"][:, :, 0, 0] @ feature_map.double().numpy().reshape(12, -1) + w["local.bias"][:, None]
    z = w["score.weight"][:, :, 0, 0] @ local + w["score.bias"][:, None]
    if transport:
        for _ in range(3):
            z = ((z - np.log(np.exp(z).sum(1, keepdims=True))) + (z - np.log(np.exp(z).sum(0)))) / 2
        plan = np.exp(z) / np.exp(z).sum(1, keepdims=True) / len(z)
        plan = plan / plan.sum(0) / z.shape[1]
    else:
        plan = np.exp(z) / np.exp(z).sum(0)
    sums = [
        normalized(sum(plan[j, i] * (local[:, i] - w["centres"][j]) for i in range(local.shape[1])))
        for j in range(len(z))
    ]
    whitened = (normalized(np.concatenate(sums)) - w["whitening.mean"]) @ w["whitening.projection"]
    return normalized(whitened)


@pytest.mark.parametrize(("name", "transport"), [("vlad", True), ("vlad softmax", False)])
def test_vlad_equals_the_formulas(name: str, transport: bool) -> None:
    model = make(name)
    assert isinstance(model, VLAD)
    maps, tokens = features()
    found = model(maps, tokens).detach().numpy()
    for descriptor, feature_map in zip(found, maps, strict=True):
        np.testing.assert_allclose(descriptor, naive_vlad(model, feature_map, transport=transport), atol=2e-6)


def test_vlad_starts_from_data() -> None:
    maps, tokens = features(batch=60)
    model = make("vlad")
    assert isinstance(model, VLAD)
    model.initialize_from(maps, tokens)
    local = model.local(maps).flatten(2).transpose(1, 2).flatten(0, 1)
    nearest = torch.cdist(local, model.centres).argmin(dim=1)
    assert torch.equal(model.score(model.local(maps)).flatten(2).argmax(dim=1).flatten(), nearest)
    pooled, whitening = model.pool(maps), model.whitening
    torch.testing.assert_close(whitening.mean, pooled.mean(dim=0), atol=1e-6, rtol=0)
    assert whitening.samples == 60
    assert whitening.rest > 0
    # Variances before whitening follow from the projection, as a tool that fits it anew needs them.
    lengths = whitening.projection.norm(dim=0)
    spread = ((pooled - whitening.mean) @ (whitening.projection / lengths)).var(dim=0)
    torch.testing.assert_close(lengths**-2 - whitening.added, spread, atol=1e-6, rtol=1e-3)
    with pytest.raises(ModelError, match="needs 32 images and views of them at the least and got 5"):
        model.initialize_from(maps[:5], tokens[:5])


def test_unknown_assignments_and_too_many_components_are_refused() -> None:
    with pytest.raises(ModelError, match="no assignment 'sinkhorn'; choose one of transport, softmax"):
        VLAD(**SMALL, assignment="sinkhorn")
    with pytest.raises(ModelError, match="whitening of 20 dimensions has no 21 components"):
        VLAD(**SMALL, clusters=5, cluster_dim=4, descriptor_dim=21)


@pytest.mark.parametrize("name", ["a2gc", "a2gc no geometry", "a2gc symmetric", "salad"])
def test_equals_the_formulas(name: str) -> None:
    model = make(name)
    assert isinstance(model, (A2GC, Salad))
    maps, tokens = features()
    if isinstance(model, A2GC) and model.geometry:
        with torch.no_grad():
            model.cluster_geo.mul_(50)  # at its start the bias would hide in the rounding
    found = model(maps, tokens).detach().numpy()
    for image in range(len(maps)):
        np.testing.assert_allclose(found[image], naive_descriptor(model, maps[image], tokens[image]), atol=2e-6)


def test_gem_equals_the_formula() -> None:
    model = make("gem")
    maps, tokens = features()
    x = np.maximum(maps.double().numpy(), 1e-6)
    expected = np.stack([normalized((image**3).mean(axis=(1, 2)) ** (1 / 3)) for image in x])
    np.testing.assert_allclose(model(maps, tokens).detach().numpy(), expected, atol=1e-6)


def test_netvlad_equals_the_formula() -> None:
    model = make("netvlad")
    assert isinstance(model, NetVLAD)
    w = weights_of(model)
    maps, tokens = features(batch=1)
    x = maps[0].double().numpy().reshape(12, -1)
    x = x / np.linalg.norm(x, axis=0)
    scores = np.exp(w["conv.weight"].reshape(5, 12) @ x + w["conv.bias"][:, None])
    assignment = scores / scores.sum(axis=0)
    blocks = [
        normalized(sum(assignment[k, i] * (x[:, i] - w["centroids"][k]) for i in range(x.shape[1]))) for k in range(5)
    ]
    np.testing.assert_allclose(model(maps, tokens)[0].detach().numpy(), normalized(np.concatenate(blocks)), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_descriptors_are_unit_vectors_of_the_stated_size(name: str) -> None:
    model = make(name)
    descriptors = model(*features())
    assert descriptors.shape == (3, model.descriptor_dim)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one_equals_a_batch_of_many(name: str) -> None:
    model = make(name)
    maps, tokens = features()
    one_by_one = torch.cat([model(maps[i : i + 1], tokens[i : i + 1]) for i in range(len(maps))])
    torch.testing.assert_close(model(maps, tokens), one_by_one, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_stays_close(name: str, dtype: torch.dtype) -> None:
    model = make(name)
    maps, tokens = features()
    exact = model(maps, tokens)
    with torch.autocast("cpu", dtype=dtype):
        under = model(maps, tokens)
    assert under.dtype == torch.float32
    cosine = (exact * under).sum(dim=1)
    assert cosine.min() > (0.999 if dtype == torch.bfloat16 else 0.99999)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_weight(name: str) -> None:
    model = make(name).train()
    maps, tokens = features()
    weighting = torch.randn(3, model.descriptor_dim, generator=torch.Generator().manual_seed(2))
    (model(maps, tokens) * weighting).sum().backward()
    grads = {name: weight.grad for name, weight in model.named_parameters()}
    if name in ("salad", "a2gc symmetric", "projected"):
        # Sinkhorn scales the dustbin's row to its mass whatever it holds, so its gradient is nothing but rounding.
        dustbin = grads.pop("agg.dust_bin" if name == "projected" else "dust_bin")
        assert dustbin is not None
        assert dustbin.abs() < 1e-5
    assert not [name for name, grad in grads.items() if grad is None or not grad.any()]


@pytest.mark.parametrize("name", ["a2gc", "a2gc symmetric", "gem", "netvlad"])
def test_gradcheck(name: str) -> None:
    model = make(name).double()
    generator = torch.Generator().manual_seed(4)
    maps = (0.5 + torch.rand(1, 12, 2, 4, generator=generator, dtype=torch.float64)).requires_grad_()
    tokens = torch.randn(1, 10, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: model(x, tokens), (maps,), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if "a2gc" not in name or name == "a2gc no geometry"])
def test_masked_patches_are_as_if_absent(name: str) -> None:
    """Dropping the lower rows by the mask equals never having had them."""
    model = make(name)
    maps, tokens = features()
    mask = torch.zeros(3, 4, 5, dtype=torch.bool)
    mask[:, :2] = True
    torch.testing.assert_close(
        model(maps, tokens, mask), model(maps[:, :, :2].contiguous(), tokens), atol=1e-6, rtol=1e-5
    )


def test_a_masked_patch_has_no_say_with_geometry_either() -> None:
    model = make("a2gc")
    maps, tokens = features()
    mask = torch.ones(3, 4, 5, dtype=torch.bool)
    mask[:, 1, 2] = False
    changed = maps.clone()
    changed[:, :, 1, 2] = 100.0
    torch.testing.assert_close(model(maps, tokens, mask), model(changed, tokens, mask))
    assert not torch.allclose(model(maps, tokens), model(changed, tokens))


def test_both_names_of_the_method_are_one() -> None:
    assert ASYOT is A2GC
    assert AGGREGATORS["A2GC"] is AGGREGATORS["ASYOT"] is A2GC


@pytest.mark.parametrize(("kind", "expected"), [(Salad, 1_411_009), (A2GC, 1_412_082)])
def test_parameter_counts(kind: type[Salad] | type[A2GC], expected: int) -> None:
    model = kind(in_channels=768, token_channels=768)
    assert model.descriptor_dim == 8448
    assert sum(weight.numel() for weight in model.parameters()) == expected


def test_a2gc_without_its_two_ideas_is_salad() -> None:
    salad = make("salad")
    plain = A2GC(**SMALL, **HEADS, geometry=False, asymmetric=False).eval()
    plain.load_state_dict(salad.state_dict())
    assert torch.equal(plain(*features()), salad(*features()))


def test_the_descriptor_is_the_token_then_the_clusters_local_dimension_outermost() -> None:
    model = make("a2gc")
    descriptor = model(*features(batch=1))[0]
    assert torch.isclose(descriptor[:6].norm(), torch.tensor(1 / 6**0.5))
    blocks = descriptor[6:].reshape(4, 5)
    torch.testing.assert_close(blocks.norm(dim=0), torch.full((5,), 1 / 6**0.5))


def test_salad_refuses_fewer_tokens_than_clusters_and_a2gc_does_not() -> None:
    maps, tokens = features(rows=1, columns=4)
    with pytest.raises(ModelError, match="4 tokens for 5 clusters"):
        make("salad")(maps, tokens)
    assert make("a2gc")(maps, tokens).isfinite().all()


class TestGeometry:
    def test_coordinates_run_by_column_then_row(self) -> None:
        expected = [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]
        assert grid_coordinates(2, 3).tolist() == expected

    def test_bias_has_at_most_rank_three(self) -> None:
        model = make("a2gc").double()
        assert isinstance(model, A2GC)
        bias = model.geometric_bias(6, 7)
        assert bias.shape == (5, 42)
        assert torch.linalg.matrix_rank(bias) == 3

    def test_starts_as_published(self) -> None:
        torch.manual_seed(0)
        model = A2GC(in_channels=8, token_channels=8)
        assert model.geo_scale.item() == pytest.approx(0.15)
        assert model.dust_bin.item() == 1.0
        assert model.cluster_geo.std().item() == pytest.approx(0.02, rel=0.1)
        assert tuple(model.geo_proj.weight.shape) == (16, 2)

    def test_baking_changes_nothing(self) -> None:
        model = make("a2gc")
        before = model(*features())
        model.bake(4, 5)
        assert torch.equal(model(*features()), before)
        other = features(rows=3, columns=3)
        assert model(*other).isfinite().all()

    def test_training_and_loading_discard_what_was_baked(self) -> None:
        model = make("a2gc")
        assert isinstance(model, A2GC)
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        weights["cluster_geo"] *= 40
        model.bake(4, 5)
        before = model(*features())
        model.load_state_dict(weights)
        after = model(*features())
        assert not torch.allclose(before, after)
        model.bake(4, 5)
        model.train()
        with torch.no_grad():
            model.cluster_geo.zero_()
        assert not torch.allclose(model.eval()(*features()), after)

    def test_what_is_baked_is_not_a_weight(self) -> None:
        model = make("a2gc")
        names = set(model.state_dict())
        model.bake(4, 5)
        assert set(model.state_dict()) == names

    def test_the_bias_moves_clusters_towards_their_places(self) -> None:
        model = make("a2gc")
        assert isinstance(model, A2GC)
        with torch.no_grad():
            model.geo_proj.weight.zero_()
            model.geo_proj.weight[0, 0] = 1.0
            model.geo_proj.bias.zero_()
            model.cluster_geo.zero_()
            model.cluster_geo[0, 0] = 100.0
        plan = model.assignment(torch.zeros(1, 12, 4, 5))[0, 0].reshape(4, 5)
        assert (plan[:, 4] > 10 * plan[:, 0]).all()


@pytest.mark.parametrize("name", ["a2gc", "a2gc linear"])
class TestStartFromData:
    @staticmethod
    def clustered(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Maps whose features lie around five centres, which of them, and tokens."""
        generator = torch.Generator().manual_seed(seed)
        centres = 4 * torch.randn(5, 12, generator=generator)
        which = torch.randint(5, (40, 20), generator=generator)
        rows = centres[which] + 0.1 * torch.randn(40, 20, 12, generator=generator)
        tokens = torch.randn(40, 10, generator=generator)
        return rows.transpose(1, 2).reshape(40, 12, 4, 5), which, tokens

    def test_scores_follow_the_clusters(self, name: str) -> None:
        model = make(name)
        assert isinstance(model, A2GC)
        maps, which, tokens = self.clustered()
        model.initialize_from(maps, tokens)
        best = model.scores(maps).argmax(dim=1)
        table = torch.zeros(5, 5)
        for cluster, center in zip(best.flatten(), which.flatten(), strict=True):
            table[cluster, center] += 1
        assert table.max(dim=0).values.sum() / table.sum() > 0.98
        assert (table.max(dim=0).indices.unique()).numel() == 5

    def test_local_features_are_principal_components(self, name: str) -> None:
        model = make(name)
        assert isinstance(model, A2GC)
        maps, _, tokens = self.clustered()
        model.initialize_from(maps, tokens)
        local = model.cluster_features(maps).flatten(2).transpose(1, 2).flatten(0, 1).double()
        samples = maps.flatten(2).transpose(1, 2).flatten(0, 1).double().numpy()
        singular = np.linalg.svd(samples - samples.mean(axis=0), compute_uv=False)[:4]
        covariance = (local.T @ local).detach().numpy()
        np.testing.assert_allclose(np.diag(covariance), singular**2, rtol=1e-4)
        np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-3 * singular[0])

    def test_is_reproducible(self, name: str) -> None:
        maps, _, tokens = self.clustered()
        descriptors = []
        for _ in range(2):
            model = make(name)
            model.initialize_from(maps, tokens, DataStart(seed=3))
            descriptors.append(model(maps, tokens))
        assert torch.equal(*descriptors)


def test_too_little_data_is_refused() -> None:
    maps, tokens = features(batch=3)
    with pytest.raises(ModelError, match="6 principal components need more than 6 samples"):
        make("a2gc").initialize_from(maps, tokens)


def test_a_narrow_hidden_layer_is_refused() -> None:
    model = A2GC(**SMALL, **{**HEADS, "hidden": 7})
    with pytest.raises(ModelError, match="at least 8"):
        model.initialize_from(*features(batch=20))


def test_gem_has_no_head_to_start_but_its_projection_is_whitened() -> None:
    maps, tokens = features(batch=40)
    model = Projected(make("gem"), 4)
    model.eval().initialize_from(maps, tokens)
    assert model.agg.p.item() == 3.0
    model.whiten(model.agg(maps, tokens))
    whitened = model.linear(model.agg(maps, tokens)).detach()
    torch.testing.assert_close(torch.cov(whitened.T), torch.eye(4), atol=1e-3, rtol=0)


def test_netvlad_starts_at_the_centres() -> None:
    maps, tokens = features(batch=20)
    model = make("netvlad")
    assert isinstance(model, NetVLAD)
    model.initialize_from(maps, tokens)
    normal = nn.functional.normalize(maps, dim=1).flatten(2).transpose(1, 2).flatten(0, 1)
    nearest = torch.cdist(normal, model.centroids).argmin(dim=1)
    best = model.conv(nn.functional.normalize(maps, dim=1)).flatten(2).transpose(1, 2).flatten(0, 1).argmax(dim=1)
    assert torch.equal(nearest, best)


def test_whitening_evens_out_the_descriptor() -> None:
    model = make("projected")
    assert isinstance(model, Projected)
    maps, tokens = features(batch=60)
    inner = model.agg(maps, tokens).detach()
    model.whiten(inner)
    projected = model.linear(inner).double()
    torch.testing.assert_close(torch.cov(projected.T), torch.eye(7, dtype=torch.float64), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(projected.mean(dim=0), torch.zeros(7, dtype=torch.float64), atol=1e-4, rtol=0)


def test_training_may_follow_inference() -> None:
    """What is kept of a grid under inference mode must not get in the way of a later backward pass."""
    model = A2GC(**SMALL, **HEADS)
    features, token = torch.randn(2, SMALL["in_channels"], 3, 4), torch.randn(2, SMALL["token_channels"])
    with torch.inference_mode():
        model(features, token)
    model(features, token)[:, 0].sum().backward()
    assert model.geo_proj.weight.grad is not None
