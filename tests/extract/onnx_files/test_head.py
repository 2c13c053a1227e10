"""A tool finds a VLAD head's statistics in an exported file, and the value they whiten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.onnx_files import head

if TYPE_CHECKING:
    from a2gc_ros.models.place_model import PlaceModel

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def fitted() -> tuple[PlaceModel, NDArray[np.uint8]]:
    """A small fitted model, and the images that it was fitted on."""
    from a2gc_ros.models import build
    from a2gc_ros.models.fit import fit_head

    model = build("a2gc-efficientnet-lite0", clusters=4, cluster_dim=16, descriptor_dim=32, image_size=(64, 96))
    images = np.random.default_rng(0).integers(0, 256, (20, 64, 96, 3), np.uint8)
    fit_head(model, images, views=1)
    return model, images


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_descriptor_can_be_computed_from_what_the_file_names(
    precision: Literal["fp32", "fp16"], fitted: tuple[PlaceModel, NDArray[np.uint8]], tmp_path: Path
) -> None:
    import onnxruntime

    from a2gc_ros.extract.pytorch.export import export_onnx

    model, images = fitted
    path = tmp_path / "model.onnx"
    export_onnx(model, path, licence="CC0-1.0", precision=precision)
    graph = onnx.load(path)
    held = {item.name.removesuffix("_half"): onnx.numpy_helper.to_array(item) for item in graph.graph.initializer}
    shapes = {
        f"{head.LOCAL}.weight": (16, 112, 1, 1),
        f"{head.LOCAL}.bias": (16,),
        f"{head.SCORE}.weight": (4, 16, 1, 1),
        f"{head.SCORE}.bias": (4,),
        head.CENTRES: (4, 16),
        head.MEAN: (64,),
        head.PROJECTION: (64, 32),
    }
    assert {name: held[name].shape for name in shapes} == shapes
    graph.graph.output.append(onnx.helper.make_tensor_value_info(head.POOLED, onnx.TensorProto.FLOAT, ["batch", 64]))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    pooled, descriptor = session.run([head.POOLED, "descriptor"], {"images": images[:3]})
    whitened = (pooled - held[head.MEAN]) @ held[head.PROJECTION].astype(np.float32)
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    np.testing.assert_allclose(whitened, descriptor, atol=1e-5)
    told = {item.key: item.value for item in graph.metadata_props}[head.METADATA_KEY]
    assert head.WhiteningFit(**json.loads(told)).samples == 40
    assert open_extractor(path).extract([images[0]]).shape == (1, 32)


def test_a_graph_without_such_a_head_stays_as_it_is() -> None:
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "plain", [x], [y])
    before = graph.SerializeToString()
    assert not head.name_pooled(graph)
    assert graph.SerializeToString() == before
