"""Exporting: what is in the file, what is refused, and what is left behind when it is."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from a2gc_ros.cli.base.image_size import parse_size
from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, ConfigError, ModelError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.onnx_files.half_weights import store_weights_in_half
from a2gc_ros.extract.pytorch import export
from a2gc_ros.extract.pytorch.export import export_onnx
from a2gc_ros.extract.quantize import quantize
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models import Architecture, PlaceModel, build, checkpoints
from a2gc_ros.models.backbones import dinov2

TINY = {"depth": 1, "clusters": 4, "cluster_dim": 8, "token_dim": 16}


def tiny(size=(42, 56)):
    torch.manual_seed(1)
    return build("a2gc-dinov2-vits14", image_size=size, **TINY)


@pytest.fixture
def traced(monkeypatch):
    """Takes the graph of a sample's file for the trace of its model, which saves the seconds of tracing it again."""

    def use(sample, change=lambda graph: None):
        model = onnx.load(sample.file)
        del model.metadata_props[:]
        change(model.graph)
        monkeypatch.setattr(export, "_trace", lambda deployed, preprocessing: model)

    return use


def test_the_file_is_what_a_robot_expects(sample):
    model = onnx.load(sample.file)
    onnx.checker.check_model(model, full_check=True)
    assert {o.domain: o.version for o in model.opset_import}.keys() == {""}
    (given,), (gives,) = model.graph.input, model.graph.output
    height, width = sample.model.preprocessing.height, sample.model.preprocessing.width
    assert given.name == "images"
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value for d in given.type.tensor_type.shape.dim] == [0, height, width, 3]
    assert given.type.tensor_type.shape.dim[0].dim_param
    assert gives.name == "descriptor"
    assert gives.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert gives.type.tensor_type.shape.dim[1].dim_value == sample.model.descriptor_dim
    assert not any(tensor.HasField("data_location") and tensor.data_location for tensor in model.graph.initializer)


def test_nothing_is_interpolated_in_the_graph(samples):
    kinds = {node.op_type for node in onnx.load(samples("dinov2").file).graph.node}
    assert not kinds & {"Resize", "Upsample", "Loop", "If", "NonZero"}


def test_nodes_are_named_after_the_modules_they_come_from(samples):
    names = [node.name for node in onnx.load(samples("dinov2").file).graph.node]
    assert len(set(names)) == len(names)
    assert all(name.startswith(("input/", "backbone", "aggregator")) for name in names)
    assert any(name.startswith("backbone.blocks.1.mlp.fc1/") for name in names)
    assert any(name.startswith("aggregator.score.3/") for name in names)


def test_keys_are_transposed_as_a_part_of_their_product(samples):
    graph = onnx.load(samples("dinov2").file).graph
    made = {name: node for node in graph.node for name in node.output}
    turned = [node for node in graph.node if node.op_type == "Transpose" and node.attribute[0].ints == [0, 1, 3, 2]]
    assert len(turned) == 2  # one for each block
    assert all(made[node.input[0]].attribute[0].ints == [0, 2, 1, 3] for node in turned)


def test_no_path_of_this_machine_is_in_the_file(sample, repository):
    content = sample.file.read_bytes()
    assert str(repository).encode() not in content
    assert b"site-packages" not in content


def test_every_runtime_checked_it(sample):
    assert set(sample.exported.cosines) == {"openvino", "onnxruntime"}
    assert min(sample.exported.cosines.values()) >= 0.9999
    assert sample.exported.size == sample.file.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("key", ["dinov2", "mobilenetv2"])
def test_half_precision_halves_the_file_and_keeps_the_descriptors(samples, traced, tmp_path, key):
    sample = samples(key)
    traced(sample)
    done = export_onnx(sample.model, tmp_path / "half.onnx", licence="CC0-1.0", precision="fp16")
    assert done.size < 0.6 * sample.exported.size
    assert done.spec.precision == "fp16"
    assert done.spec.fingerprint == sample.exported.spec.fingerprint
    for backend in ("onnxruntime", "openvino"):
        descriptors = open_extractor(done.path, backend=backend).run(sample.batch(2))
        assert (descriptors * sample.expected(sample.batch(2))).sum(axis=1).min() >= 0.999


def test_weights_that_half_precision_cannot_hold_stay_as_they_are():
    large, small = np.full(2000, 1e6, np.float32), np.full(2000, 0.1, np.float32)
    tensors = [onnx.numpy_helper.from_array(v, n) for v, n in ((large, "large"), (small, "small"), (small[:9], "bias"))]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    assert store_weights_in_half(graph) == 1
    kept = {t.name: t.data_type for t in graph.initializer}
    assert kept == {"large": 1, "small_half": onnx.TensorProto.FLOAT16, "bias": 1}
    assert [(n.op_type, list(n.output)) for n in graph.node] == [("Cast", ["small"])]


@pytest.mark.slow
def test_features_are_outputs_too(tmp_path):
    model = tiny()
    done = export_onnx(model, tmp_path / "f.onnx", licence="CC0-1.0", features=True)
    batch = np.random.default_rng(0).integers(0, 256, (2, 42, 56, 3), np.uint8)
    session = onnxruntime.InferenceSession(done.path)
    assert [o.name for o in session.get_outputs()][:2] == ["descriptor", "features"]
    descriptor, features = session.run(["descriptor", "features"], {"images": batch})
    with torch.inference_mode():
        expected = model.backbone(model.normalize(torch.from_numpy(batch))).map.numpy()
    np.testing.assert_allclose(features, expected, atol=1e-4)
    np.testing.assert_allclose(open_extractor(done.path).run(batch), descriptor, atol=1e-5)


def negate_weights(graph):
    for tensor in graph.initializer:
        if np.prod(tensor.dims) > 1000:
            tensor.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(tensor), tensor.name))


def test_a_file_that_disagrees_is_refused_and_the_old_one_stays(small, traced, tmp_path):
    out = tmp_path / "m.onnx"
    out.write_bytes(b"the old one")
    traced(small, negate_weights)
    with pytest.raises(ModelError, match="differ from PyTorch's"):
        export_onnx(small.model, out, licence="CC0-1.0")
    assert out.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [out]


def test_a_model_that_gives_no_numbers_is_refused(small, traced, tmp_path):
    traced(small)
    model = copy.deepcopy(small.model)
    with torch.no_grad():
        model.aggregator.dust_bin.fill_(float("nan"))
    with pytest.raises(ModelError, match="cosine nan"):
        export_onnx(model, tmp_path / "nan.onnx", licence="CC0-1.0")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def in_two_files(small, traced, tmp_path, monkeypatch):
    """A small model exported as one above 2 GiB is."""
    traced(small)
    monkeypatch.setattr(export, "LARGEST_FILE", 1000)
    return export_onnx(small.model, tmp_path / "large.onnx", licence="CC0-1.0")


def test_a_model_above_two_gigabytes_has_its_weights_beside_it(small, in_two_files, tmp_path):
    done = in_two_files
    assert sorted(tmp_path.iterdir()) == [tmp_path / "large.onnx", tmp_path / "large.onnx.data"]
    assert done.data == tmp_path / "large.onnx.data"
    assert done.size == done.path.stat().st_size + done.data.stat().st_size
    assert done.path.stat().st_size < 0.1 * done.data.stat().st_size
    assert done.spec == small.exported.spec
    assert set(done.cosines) == {"openvino", "onnxruntime"}
    batch = small.batch(2)
    for backend in ("openvino", "onnxruntime"):
        np.testing.assert_allclose(
            open_extractor(done.path, backend=backend).run(batch), small.expected(batch), atol=2e-5
        )
    with pytest.raises(ModelError, match="weights in a file beside it"):
        quantize(done.path, tmp_path / "int8.onnx", [np.zeros((9, 9, 3), np.uint8)] * 2)


def flip_a_byte(data):
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_byte, "large.onnx.data, do not match their checksum"),
        (lambda data: data.write_bytes(data.read_bytes()[:-1]), "do not match their checksum"),
        (lambda data: data.write_bytes(b""), "are not beside it"),
        (lambda data: data.unlink(), "large.onnx.data, are not beside it"),
        (lambda data: data.rename(data.with_name("other.data")), "are not beside it"),
    ],
)
def test_weights_beside_a_file_that_are_damaged_or_missing_are_refused(in_two_files, damage, words):
    damage(in_two_files.data)
    with pytest.raises(ModelError, match=words):
        open_extractor(in_two_files.path)


@pytest.mark.slow
def test_the_command_exports_a_checkpoint_at_another_size(tmp_path):
    model, checkpoint, out = tiny(), tmp_path / "run.safetensors", tmp_path / "deep" / "m.onnx"
    checkpoints.save(model, checkpoint, licence="MIT")
    done = CliRunner().invoke(
        app, ["export", str(checkpoint), "--out", str(out), "--size", "28x70", "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["spec"]["licence"] == "MIT"
    extractor = open_extractor(out)
    assert (extractor.spec.preprocessing.height, extractor.spec.preprocessing.width) == (28, 70)
    assert extractor.spec.fingerprint == told["spec"]["fingerprint"] != ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-model"], "no-such-model"),
        (["a2gc-dinov2-vits14", "--untrained", "--size", "320"], "308 or 322"),
        (["a2gc-dinov2-vits14", "--untrained", "--size", "big"], "--size"),
        (["a2gc-dinov2-vits14", "--untrained", "--precision", "int4"], "fp32 or fp16"),
        (["a2gc-dinov2-vits14", "--untrained", "--weights", "w.safetensors"], "no weights file w.safetensors"),
        (["a2gc-dinov2-vits14", "--weights", "absent.safetensors"], "absent.safetensors"),
        (["absent.safetensors"], "absent.safetensors"),
        (["absent.safetensors", "--untrained"], "its own weights"),
        (["a2gc-dinov2-vits14", "--untrained", "--images", "absent"], "no folder"),
    ],
)
def test_the_command_refuses_with_a_sentence(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export", *arguments, "--out", "m.onnx"])
    assert isinstance(done.exception, A2gcError)
    assert words in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_random_head_needs_a_word_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setitem(dinov2.SIZES, "vits14", dataclasses.replace(dinov2.SIZES["vits14"], depth=1))
    backbone, whole = tmp_path / "dinov2.pth", tmp_path / "whole.safetensors"
    model = build("salad-dinov2-vits14")
    torch.save(model.backbone.state_dict(), backbone)
    checkpoints.save(model, whole)

    def error_of(*arguments):
        done = CliRunner().invoke(app, ["export", "salad-dinov2-vits14", "-o", str(tmp_path / "m.onnx"), *arguments])
        return str(done.exception)

    assert "the aggregator of salad-dinov2-vits14 would stay random" in error_of("--weights", str(backbone))
    assert "holds the whole model" in error_of("--weights", str(whole), "--untrained")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dinov2.pth", "whole.safetensors"]


OTHERS = {
    "BoQ": {"channels": 16, "queries": 4, "rows": 3, "heads": 2},
    "MixVPR": {"grid_rows": 8, "grid_columns": 10, "channels": 8, "rows": 2, "depth": 1},
    "CosPlace": {"descriptor_dim": 12},
}


@pytest.mark.slow
@pytest.mark.parametrize("aggregator", OTHERS)
def test_other_methods_are_exported_like_ours(aggregator, tmp_path):
    architecture = Architecture("resnet", aggregator, {"variant": "resnet18", "last_stage": 1}, OTHERS[aggregator])
    torch.manual_seed(2)
    model = PlaceModel(architecture, Preprocessing(height=32, width=40))
    done = export_onnx(model, tmp_path / "m.onnx", licence="MIT")
    assert min(done.cosines.values()) >= 0.9999
    batch = np.random.default_rng(0).integers(0, 256, (3, 32, 40, 3), np.uint8)
    with torch.inference_mode():
        expected = model(model.normalize(torch.from_numpy(batch))).numpy()
    np.testing.assert_allclose(open_extractor(tmp_path / "m.onnx").run(batch), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "size"), [(None, None), ("322", (322, 322)), ("240x320", (240, 320)), ("240×320", (240, 320))]
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "0", "-3", "1x2x3", "3.5", "²"])
def test_other_sizes_are_refused(text):
    with pytest.raises(ConfigError, match="--size"):
        parse_size(text)
