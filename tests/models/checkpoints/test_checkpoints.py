"""Each publisher's layout loads whole, and each kind of damage is refused with the names it concerns."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from a2gc_ros.errors import CheckpointError
from a2gc_ros.models import Architecture, PlaceModel, build, checkpoints
from a2gc_ros.models.fingerprint import fingerprint
from a2gc_ros.models.named_models import DINOV2_INPUT, MODELS

HEAD = {"clusters": 4, "cluster_dim": 8, "token_dim": 16, "hidden": 32}
Tensors = dict[str, Tensor]


def dino(aggregator: str, *, seed: int = 0, projection: int | None = None) -> PlaceModel:
    """A model with two real transformer blocks of the small size and a small head."""
    torch.manual_seed(seed)
    architecture = Architecture(
        "dinov2", aggregator, {"variant": "vits14", "depth": 2}, {} if aggregator == "GeM" else HEAD, projection
    )
    return PlaceModel(architecture, DINOV2_INPUT, name="test").eval()


def with_backbone_prefix(model: PlaceModel, prefix: str) -> Tensors:
    return {name.replace("backbone.", prefix, 1): tensor.clone() for name, tensor in model.state_dict().items()}


def salad_file(seed: int) -> tuple[PlaceModel, Tensors]:
    source = dino("SALAD", seed=seed)
    return source, with_backbone_prefix(source, "backbone.model.")


def a2gc_file(seed: int) -> tuple[PlaceModel, Tensors]:
    source = dino("A2GC", seed=seed)
    tensors = with_backbone_prefix(source, "backbone.model.")
    del tensors["aggregator.geo_scale"]
    return source, tensors


def megaloc_file(seed: int, prefix: str = "backbone.") -> tuple[PlaceModel, Tensors]:
    source = dino("SALAD", seed=seed, projection=24)
    return source, with_backbone_prefix(source, prefix)


def dinov2_file(seed: int) -> tuple[PlaceModel, Tensors]:
    source = dino("GeM", seed=seed)
    return source, {name: tensor.clone() for name, tensor in source.backbone.state_dict().items()}


LAYOUTS: dict[str, tuple[Callable[[int], tuple[PlaceModel, Tensors]], str, int | None]] = {
    "dinov2": (dinov2_file, "GeM", None),
    "salad": (salad_file, "SALAD", None),
    "a2gc": (a2gc_file, "A2GC", None),
    "megaloc": (megaloc_file, "SALAD", 24),
}


def write(tensors: Tensors, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def images() -> Tensor:
    return torch.randn(2, 3, 70, 84, generator=torch.Generator().manual_seed(5))


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "found"])
@torch.no_grad()
def test_layout_loads_whole(layout: str, suffix: str, told: bool, tmp_path: Path) -> None:
    make, aggregator, projection = LAYOUTS[layout]
    source, tensors = make(1)
    model = dino(aggregator, seed=2, projection=projection)
    if layout == "dinov2":
        source.aggregator.load_state_dict(model.aggregator.state_dict())
    assert not torch.equal(model(images()), source(images()))
    report = checkpoints.load(model, write(tensors, tmp_path / f"w{suffix}"), layout if told else None)
    assert torch.equal(model(images()), source(images()))
    assert len(report.loaded) == len(tensors)
    assert report.fixed == (("aggregator.geo_scale",) if layout == "a2gc" else ())
    assert report.fresh == ()
    assert report.unused == ()


def test_megalocs_backbone_may_be_wrapped(tmp_path: Path) -> None:
    source, tensors = megaloc_file(1, prefix="backbone.model.")
    model = dino("SALAD", projection=24)
    checkpoints.load(model, write(tensors, tmp_path / "megaloc.torch"))
    assert fingerprint(model) == fingerprint(source)


def test_published_layouts_have_the_published_names_and_shapes() -> None:
    """What the public files hold, beside the backbone."""
    with torch.device("meta"):
        models = {
            name: PlaceModel(MODELS[name].architecture, MODELS[name].preprocessing)
            for name in ("salad-dinov2-vitb14", "a2gc-dinov2-vitb14", "megaloc-dinov2-vitb14")
        }
    shapes = {
        name: {key: tuple(value.shape) for key, value in model.aggregator.state_dict().items()}
        for name, model in models.items()
    }
    salad = {
        "token_features.0.weight": (512, 768),
        "token_features.0.bias": (512,),
        "token_features.2.weight": (256, 512),
        "token_features.2.bias": (256,),
        "cluster_features.0.weight": (512, 768, 1, 1),
        "cluster_features.0.bias": (512,),
        "cluster_features.3.weight": (128, 512, 1, 1),
        "cluster_features.3.bias": (128,),
        "score.0.weight": (512, 768, 1, 1),
        "score.0.bias": (512,),
        "score.3.weight": (64, 512, 1, 1),
        "score.3.bias": (64,),
        "dust_bin": (),
    }
    geometry = {"geo_proj.weight": (16, 2), "geo_proj.bias": (16,), "cluster_geo": (64, 16), "geo_scale": ()}
    assert shapes["salad-dinov2-vitb14"] == salad
    assert shapes["a2gc-dinov2-vitb14"] == salad | geometry
    wide = salad | {"cluster_features.3.weight": (256, 512, 1, 1), "cluster_features.3.bias": (256,)}
    assert shapes["megaloc-dinov2-vitb14"] == {f"agg.{key}": shape for key, shape in wide.items()} | {
        "linear.weight": (8448, 16640),
        "linear.bias": (8448,),
    }


def drop(name: str) -> Callable[[Tensors], str]:
    def damage(tensors: Tensors) -> str:
        del tensors[name]
        return "missing: "

    return damage


def add(name: str) -> Callable[[Tensors], str]:
    def damage(tensors: Tensors) -> str:
        tensors[name] = torch.zeros(3)
        return "surplus: "

    return damage


def reshape(name: str) -> Callable[[Tensors], str]:
    def damage(tensors: Tensors) -> str:
        tensors[name] = torch.zeros(3, 5)
        return "misshapen: "

    return damage


DAMAGE = [
    ("dinov2", drop("blocks.1.ls2.gamma"), "blocks.1.ls2.gamma"),
    ("dinov2", add("blocks.2.norm1.weight"), "blocks.2.norm1.weight"),
    ("dinov2", add("head.weight"), "head.weight"),
    ("dinov2", reshape("pos_embed"), "pos_embed is 3x5 and should be 1x1370x384"),
    ("salad", drop("backbone.model.norm.bias"), "backbone.norm.bias"),
    ("salad", drop("aggregator.dust_bin"), "aggregator.dust_bin"),
    ("salad", add("aggregator.geo_proj.weight"), "aggregator.geo_proj.weight"),
    ("salad", reshape("aggregator.score.3.weight"), "aggregator.score.3.weight is 3x5 and should be 4x32x1x1"),
    ("salad", reshape("aggregator.dust_bin"), "aggregator.dust_bin is 3x5 and should be a scalar"),
    ("a2gc", drop("aggregator.cluster_geo"), "aggregator.cluster_geo"),
    ("a2gc", drop("backbone.model.cls_token"), "backbone.cls_token"),
    ("a2gc", add("aggregator.other"), "aggregator.other"),
    ("megaloc", drop("aggregator.linear.bias"), "aggregator.linear.bias"),
    ("megaloc", reshape("aggregator.agg.cluster_features.3.bias"), "aggregator.agg.cluster_features.3.bias is 3x5"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "damage", "named"), DAMAGE, ids=[f"{layout}-{name}" for layout, _, name in DAMAGE])
def test_damage_is_refused_by_name_and_leaves_the_model_alone(
    layout: str, damage: Callable[[Tensors], str], named: str, tmp_path: Path
) -> None:
    make, aggregator, projection = LAYOUTS[layout]
    _, tensors = make(1)
    kind = damage(tensors)
    model = dino(aggregator, seed=2, projection=projection)
    before = fingerprint(model)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(model, write(tensors, tmp_path / "w.pth"), layout)
    assert kind + named in str(caught.value)
    assert str(tmp_path / "w.pth") in str(caught.value)
    assert fingerprint(model) == before


def test_all_complaints_come_at_once(tmp_path: Path) -> None:
    _, tensors = salad_file(1)
    del tensors["aggregator.dust_bin"], tensors["backbone.model.norm.weight"]
    tensors["aggregator.extra"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(dino("SALAD"), write(tensors, tmp_path / "w.pth"), "salad")
    assert "missing: backbone.norm.weight, aggregator.dust_bin; surplus: aggregator.extra." in str(caught.value)


class TestWarmStart:
    def test_takes_all_of_salad_and_lists_what_stays_fresh(self, tmp_path: Path) -> None:
        source, tensors = salad_file(1)
        model = dino("A2GC", seed=2)
        geometry = model.aggregator.get_parameter("cluster_geo").clone()
        report = checkpoints.warm_start(model, write(tensors, tmp_path / "dino_salad.ckpt"))
        assert sorted(report.fresh) == sorted(checkpoints.GEOMETRY)
        assert torch.equal(model.aggregator.get_parameter("cluster_geo"), geometry)
        ours = model.state_dict()
        for name, tensor in source.state_dict().items():
            assert torch.equal(ours[name], tensor), name

    def test_without_it_the_geometry_is_missed(self, tmp_path: Path) -> None:
        _, tensors = salad_file(1)
        with pytest.raises(CheckpointError, match=r"missing: aggregator\.cluster_geo"):
            checkpoints.load(dino("A2GC"), write(tensors, tmp_path / "dino_salad.ckpt"))

    def test_still_refuses_other_gaps(self, tmp_path: Path) -> None:
        _, tensors = salad_file(1)
        del tensors["aggregator.dust_bin"]
        with pytest.raises(CheckpointError, match=r"missing: aggregator\.dust_bin\."):
            checkpoints.warm_start(dino("A2GC"), write(tensors, tmp_path / "dino_salad.ckpt"))


class TestTorchvision:
    @staticmethod
    def published(variant: str = "resnet18") -> Tensors:
        torch.manual_seed(1)
        whole = build(f"gem-{variant}", last_stage=4).backbone
        classifier = {"fc.weight": torch.zeros(1000, whole.out_channels), "fc.bias": torch.zeros(1000)}
        return {**whole.state_dict(), **classifier}

    def test_the_stages_cut_off_stay_unused(self, tmp_path: Path) -> None:
        tensors = self.published()
        model = build("gem-resnet18", last_stage=3)
        report = checkpoints.load(model, write(tensors, tmp_path / "resnet18.pth"))
        assert {name.split(".")[0] for name in report.unused} == {"layer4", "fc"}
        assert torch.equal(model.backbone.get_parameter("layer3.1.conv2.weight"), tensors["layer3.1.conv2.weight"])

    def test_older_files_lack_a_counter(self, tmp_path: Path) -> None:
        tensors = {name: tensor for name, tensor in self.published().items() if "num_batches" not in name}
        report = checkpoints.load(build("gem-resnet18"), write(tensors, tmp_path / "resnet18.pth"))
        assert report.fresh
        assert all(name.endswith("num_batches_tracked") for name in report.fresh)

    def test_a_deeper_network_is_not_taken_for_a_shallower(self, tmp_path: Path) -> None:
        tensors = self.published()
        tensors["layer3.2.conv1.weight"] = torch.zeros(1)
        with pytest.raises(CheckpointError, match=r"surplus: layer3\.2\.conv1\.weight"):
            checkpoints.load(build("gem-resnet18"), write(tensors, tmp_path / "resnet.pth"))

    def test_a_missing_stage_is_missed(self, tmp_path: Path) -> None:
        tensors = {name: tensor for name, tensor in self.published().items() if not name.startswith("layer2.0.bn1")}
        with pytest.raises(CheckpointError, match=r"missing: layer2\.0\.bn1\.weight, layer2\.0\.bn1\.bias"):
            checkpoints.load(build("gem-resnet18"), write(tensors, tmp_path / "resnet.pth"))


class TestMobileNetV2:
    @staticmethod
    def published() -> Tensors:
        torch.manual_seed(1)
        classifier = {"convs.52.weight": torch.zeros(1001, 1280, 1, 1), "convs.52.bias": torch.zeros(1001)}
        return {**build("gem-mobilenetv2", tap=51).backbone.state_dict(), **classifier}

    def test_the_convolutions_cut_off_stay_unused(self, tmp_path: Path) -> None:
        tensors = self.published()
        model = build("gem-mobilenetv2", tap=38, token_tap=38)
        report = checkpoints.load(model, write(tensors, tmp_path / "m.safetensors"))
        assert len(report.unused) == 2 * (53 - 39)
        assert torch.equal(model.backbone.get_parameter("convs.38.weight"), tensors["convs.38.weight"])

    @pytest.mark.parametrize("name", ["convs.7.scale", "convs.53.weight"])
    def test_other_surplus_is_refused(self, name: str, tmp_path: Path) -> None:
        tensors = {**self.published(), name: torch.zeros(1)}
        with pytest.raises(CheckpointError, match=f"surplus: {name}"):
            checkpoints.load(build("gem-mobilenetv2"), write(tensors, tmp_path / "m.safetensors"))

    def test_the_published_file_loads(self, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("A2GC_WEIGHTS", str(shared_data / "weights"))
        model = build("a2gc-mobilenetv2", pretrained="backbone")
        weights = checkpoints.read_tensors(shared_data / "weights" / "mobilenet_v2_imagenet_folded.safetensors")
        assert torch.equal(model.backbone.get_parameter("convs.51.weight"), weights["convs.51.weight"])


class TestOwnFiles:
    @staticmethod
    def model() -> PlaceModel:
        torch.manual_seed(3)
        return build(
            "a2gc-mobilenetv2", image_size=(64, 96), clusters=4, cluster_dim=8, token_dim=16, projection=20
        ).eval()

    def test_a_file_rebuilds_its_model(self, tmp_path: Path) -> None:
        model = self.model()
        checkpoints.save(model, tmp_path / "m.safetensors", licence="Apache-2.0")
        restored = checkpoints.restore(tmp_path / "m.safetensors")
        assert fingerprint(restored) == fingerprint(model)
        assert restored.name == "a2gc-mobilenetv2"
        assert not restored.training
        batch = torch.randn(2, 3, 64, 96)
        assert torch.equal(restored(batch), model(batch))
        assert checkpoints.read_metadata(tmp_path / "m.safetensors")["licence"] == "Apache-2.0"
        assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]

    def test_a_lightning_checkpoint_rebuilds_its_model(self, tmp_path: Path) -> None:
        model = self.model()
        content = {
            "state_dict": {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
            | {"loss.proxies": torch.zeros(3)},
            "epoch": 3,
            "hyper_parameters": {"lr": 1e-3},
            checkpoints.METADATA_KEY: checkpoints.metadata(model),
        }
        torch.save(content, tmp_path / "last.ckpt")
        assert fingerprint(checkpoints.restore(tmp_path / "last.ckpt")) == fingerprint(model)
        into = build("a2gc-mobilenetv2", image_size=(64, 96), clusters=4, cluster_dim=8, token_dim=16, projection=20)
        report = checkpoints.load(into, tmp_path / "last.ckpt")
        assert report.unused == ("loss.proxies",)
        assert fingerprint(into) == fingerprint(model)

    def test_missing_weights_are_missed(self, tmp_path: Path) -> None:
        model = self.model()
        tensors = {k: v for k, v in model.state_dict().items() if k != "aggregator.linear.bias"}
        save_file(tensors, tmp_path / "m.safetensors", metadata=checkpoints.metadata(model))
        with pytest.raises(CheckpointError, match=r"missing: aggregator\.linear\.bias"):
            checkpoints.restore(tmp_path / "m.safetensors")

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("architecture", "{"),
            ("architecture", "{}"),
            ("preprocessing", "{}"),
            ("name", None),
            ("architecture", None),
        ],
    )
    def test_a_damaged_description_is_refused(self, key: str, value: str | None, tmp_path: Path) -> None:
        described = checkpoints.metadata(self.model())
        if value is None:
            del described[key]
        else:
            described[key] = value
        save_file(self.model().state_dict(), tmp_path / "m.safetensors", metadata=described)
        with pytest.raises(CheckpointError, match="describes no model that can be built"):
            checkpoints.restore(tmp_path / "m.safetensors")

    def test_a_foreign_file_says_not_what_it_holds(self, tmp_path: Path) -> None:
        write(salad_file(0)[1], tmp_path / "dino_salad.ckpt")
        write(salad_file(0)[1], tmp_path / "dino_salad.safetensors")
        for name in ("dino_salad.ckpt", "dino_salad.safetensors"):
            with pytest.raises(CheckpointError, match="does not say which model it holds"):
                checkpoints.restore(tmp_path / name)


class Malicious:
    """A pickle of this would run code when loaded naively."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return print, ("code ran",)


class TestUnreadable:
    def test_a_file_that_could_run_code_does_not(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "w.pth").write_bytes(pickle.dumps({"cls_token": Malicious()}, protocol=2))
        torch.save({"cls_token": Malicious()}, tmp_path / "z.pth")
        for name in ("w.pth", "z.pth"):
            with pytest.raises(CheckpointError, match="could run code"):
                checkpoints.load(dino("GeM"), tmp_path / name)
        assert "code ran" not in capsys.readouterr().out

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_a_file_that_is_not_there(self, suffix: str, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="There is no weights file"):
            checkpoints.load(dino("GeM"), tmp_path / f"absent{suffix}")

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize("keep", [0, 10, 5000])
    def test_a_file_cut_short(self, suffix: str, keep: int, tmp_path: Path) -> None:
        path = write(dinov2_file(0)[1], tmp_path / f"w{suffix}")
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoints.load(dino("GeM"), path)

    @pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"state_dict": {"cls_token": "x"}}])
    def test_something_other_than_weights(self, content: object, tmp_path: Path) -> None:
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(CheckpointError, match="tensors by name"):
            checkpoints.load(dino("GeM"), tmp_path / "w.pth")

    def test_an_unknown_layout(self, tmp_path: Path) -> None:
        write({"encoder.weight": torch.zeros(1)}, tmp_path / "w.pth")
        with pytest.raises(CheckpointError, match=r"in no known layout \(its first names are encoder.weight\)"):
            checkpoints.load(dino("GeM"), tmp_path / "w.pth")
        with pytest.raises(CheckpointError, match="no checkpoint layout 'timm'; choose one of a2gc, backbone, boq"):
            checkpoints.load(dino("GeM"), tmp_path / "w.pth", "timm")
