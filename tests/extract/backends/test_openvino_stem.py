"""The first block of a convolutional network stays in float32, and what follows computes what it did."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.extract import open_extractor
from a2gc_ros.shipped import shipped_models

openvino = pytest.importorskip("openvino")

SHIPPED = shipped_models()["a2gc-efficientnet-lite0"]


def read(path: object) -> openvino.Model:
    model = openvino.Core().read_model(path)
    shape = model.input("images").partial_shape
    shape[0] = 1
    model.reshape({"images": shape})
    return model


def test_the_parts_compute_what_the_whole_does() -> None:
    from a2gc_ros.extract.backends.openvino_stem import split_stem

    image = np.random.default_rng(0).integers(0, 256, (1, 240, 320, 3), np.uint8)
    parts = split_stem(read(SHIPPED))
    assert parts is not None
    core = openvino.Core()
    stem, rest = (core.compile_model(part, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for part in parts)
    between = stem([image])[0]
    assert between.shape == (1, 16, 120, 160)
    expected = open_extractor(SHIPPED, backend="openvino", threads=1).run(image)
    np.testing.assert_allclose(rest([between])["descriptor"], expected, atol=1e-5)


def test_what_has_no_such_block_stays_whole() -> None:
    from a2gc_ros.extract.backends.openvino_stem import split_stem

    opset = openvino.opset13
    images = opset.parameter([1, 3, 8, 8], np.float32, "images")
    result = opset.result(opset.relu(images))
    assert split_stem(openvino.Model([result], [images])) is None


def test_bfloat16_stays_close_to_float32() -> None:
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU does not compute in bfloat16")
    cells = np.random.default_rng(1).integers(0, 256, (6, 12, 16, 3), np.uint8)
    images = [np.asarray(np.kron(cell, np.ones((20, 20, 1))), dtype=np.uint8) for cell in cells]
    exact, close = (
        open_extractor(SHIPPED, backend="openvino", precision=precision, threads=1).extract(images)  # type: ignore[arg-type]
        for precision in ("fp32", "bf16")
    )
    assert (exact * close).sum(axis=1).min() > 0.99
