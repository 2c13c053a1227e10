from __future__ import annotations

import json

import cv2
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import BackendError, ConfigError, ModelError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract import quantize as module
from a2gc_ros.extract.onnx_files.half_weights import store_weights_in_half, widen_weights
from a2gc_ros.extract.quantize import nearest_other, quantize, recall_at_1


def scenes(count):
    """Smooth random pictures, three views of each."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
        pictures += [np.ascontiguousarray(picture[4 * i : 4 * i + 100, 5 * i : 5 * i + 140]) for i in range(3)]
    return pictures, [str(i // 3) for i in range(3 * count)]


@pytest.mark.parametrize("key", ["dinov2", pytest.param("mobilenetv2", marks=pytest.mark.slow)])
def test_int8_keeps_the_descriptors_near_and_has_a_fingerprint_of_its_own(samples, tmp_path, key):
    sample = samples(key)
    images, places = scenes(5)
    # The recall of random weights is chance; that they keep it is not asked here.
    done = quantize(sample.file, tmp_path / "int8.onnx", images, places=places, allow_drop=True)
    assert set(done.drift) == {"openvino", "onnxruntime"}
    assert all(found.mean_cosine > 0.99 for found in done.drift.values())
    assert done.recall is not None
    assert done.fingerprint != sample.exported.spec.fingerprint
    assert done.size == done.path.stat().st_size < 0.6 * sample.exported.size
    for backend in ("openvino", "onnxruntime"):
        extractor = open_extractor(done.path, backend=backend)
        assert extractor.precision == "int8"
        assert extractor.spec.fingerprint == done.fingerprint
        expected = sample.expected(np.stack([extractor.prepare(image) for image in images]))
        assert (extractor.extract(images) * expected).sum(axis=1).mean() > 0.99
    with pytest.raises(BackendError, match="quantized to int8"):
        open_extractor(done.path, precision="fp32")
    with pytest.raises(BackendError, match="ONNX Runtime does not compute in int8-bf16 on a CPU; use precision auto"):
        open_extractor(done.path, backend="onnxruntime", precision="int8-bf16")
    with pytest.raises(BackendError, match="is not quantized, so it cannot run in int8-bf16"):
        open_extractor(sample.file, precision="int8-bf16")
    with pytest.raises(ModelError, match="already"):
        quantize(done.path, tmp_path / "twice.onnx", images)


@pytest.mark.slow
def test_only_inputs_of_weighted_products_in_the_backbone_are_quantised(samples, tmp_path):
    sample = samples("dinov2")
    done = quantize(sample.file, tmp_path / "int8.onnx", scenes(2)[0], allow_drop=True)
    graph = onnx.load(done.path).graph
    producers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            sources = [producers[name].op_type for name in node.input[:2] if name in producers]
            layers = ".query/", ".key/", ".value/", ".proj/", ".fc1/", ".fc2/"
            has_weights = any(layer in node.name for layer in layers)
            wanted = node.name.startswith("backbone.blocks") and has_weights
            assert (sources.count("DequantizeLinear") == 2) == wanted, node.name


def test_the_source_may_store_its_weights_in_half():
    values = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [], [], [onnx.numpy_helper.from_array(values, "w")])
    store_weights_in_half(graph)
    widen_weights(graph)
    (tensor,) = graph.initializer
    assert (tensor.name, tensor.data_type) == ("w", onnx.TensorProto.FLOAT)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), values.astype(np.float16).astype(np.float32))
    assert [n.op_type for n in graph.node] == ["MatMul"]


@pytest.mark.slow
@pytest.mark.parametrize(("places", "words"), [(True, "lowers recall@1"), (False, "mean cosine")])
def test_a_loss_is_refused_unless_allowed(small, tmp_path, monkeypatch, places, words):
    images, names = scenes(4)
    out = tmp_path / "int8.onnx"
    monkeypatch.setattr(module, "LARGEST_DROP", -1.0)
    monkeypatch.setattr(module, "LEAST_MEAN_COSINE", 1.1)
    arguments = (small.file, out, images)
    with pytest.raises(ModelError, match=words):
        quantize(*arguments, places=names if places else None)
    assert list(tmp_path.iterdir()) == []
    assert quantize(*arguments, places=names if places else None, allow_drop=True).path == out


def test_too_few_images_are_refused(small, tmp_path):
    with pytest.raises(ModelError, match="1 images are too few"):
        quantize(small.file, tmp_path / "int8.onnx", scenes(1)[0][:1])


@pytest.mark.slow
def test_the_command_takes_sub_folders_for_places(small, tmp_path):
    images, places = scenes(3)
    for i, (image, place) in enumerate(zip(images, places, strict=True)):
        (tmp_path / place).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / place / f"{i}.png"), image[..., ::-1])
    arguments = ["quantize", str(small.file), "--images", str(tmp_path), "--out", str(tmp_path / "int8.onnx")]
    done = CliRunner().invoke(app, [*arguments, "--allow-drop", "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    assert told["recall"] is not None
    assert told["drift"]["openvino"]["recall"] is not None
    shown = CliRunner().invoke(app, [*arguments, "--allow-drop", "--limit", "4"], catch_exceptions=False)
    assert "openvino" in shown.stdout


def test_a_folder_without_images_is_refused(small, tmp_path):
    arguments = ["quantize", str(small.file), "--images", str(tmp_path), "--out", str(tmp_path / "int8.onnx")]
    with pytest.raises(ConfigError, match="--images"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_recall_counts_images_that_have_another_of_their_place():
    descriptors = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]] + np.float32(0.01) * np.arange(3, dtype=np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    assert list(nearest_other(descriptors)[:4]) == [1, 0, 3, 2]
    assert recall_at_1(descriptors, ["a", "a", "b", "b", "c"]) == 1.0
    # The third is nearest to the fourth, of another place; the last is nearest to the third.
    assert recall_at_1(descriptors, ["a", "a", "b", "x", "b"]) == pytest.approx(3 / 4)
    assert recall_at_1(descriptors, list("abcde")) is None
