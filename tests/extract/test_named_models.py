"""Every backend of a CPU in every precision on the named models, with random weights and small inputs.

Depth, heads and input are reduced: a DINOv2 has one block, a ResNet its first stage, a MobileNetV2 a third of its
convolutions. By default some run that the other tests here leave out; A2GC_EVERY_MODEL=1 runs all names there are.
"""

from __future__ import annotations

import os

import cv2
import numpy as np
import openvino
import pytest
import torch

from a2gc_ros.errors import BackendError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.pytorch.export import export_onnx
from a2gc_ros.extract.quantize import quantize
from a2gc_ros.models import MODELS, build
from a2gc_ros.models.backbones.mobilenetv2 import STRIDE_16

HEAD = {"clusters": 4, "cluster_dim": 8, "token_dim": 16, "hidden": 32}
CHOSEN = ("salad-dinov2-vits14-reg", "megaloc-dinov2-vitb14", "gem-resnet50", "netvlad-mobilenetv2")
NAMES = sorted(MODELS) if os.environ.get("A2GC_EVERY_MODEL") else CHOSEN

# Backend, precision, least cosine to PyTorch in float32.
WAYS = (
    ("onnxruntime", "fp32", 0.99999),
    ("openvino", "fp32", 0.99999),
    ("openvino", "bf16", 0.999),
    ("openvino", "fp16", 0.999),
    ("onnxruntime", "int8", 0.98),
    ("openvino", "int8", 0.98),
    ("openvino", "int8-bf16", 0.98),
)
# float32 and int8 run on every CPU, the others on some.
OFFERED = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
# Third powers of small features leave the range of half precision: a model that gives nothing finite is refused.
OUT_OF_HALF_RANGE = {"gem-mobilenetv2"}


def reduced(name):
    """A named model made small by its own options."""
    architecture = MODELS[name].architecture
    options = dict(HEAD) if architecture.aggregator in ("A2GC", "SALAD") else {}
    if architecture.backbone == "dinov2":
        options["depth"] = 1
    elif architecture.backbone == "resnet":
        options["last_stage"] = 1
    else:
        options["tap"] = 17
        if "token_tap" in architecture.backbone_options:
            options["token_tap"] = STRIDE_16 - 18
    if architecture.projection:
        options["projection"] = 24
    torch.manual_seed(0)
    return build(name, image_size=(42, 56), **options).eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_backend_and_precision_agrees_with_pytorch(name, tmp_path):
    model = reduced(name)
    file, small = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    export_onnx(model, file, licence="CC0-1.0")
    rng = np.random.default_rng(0)
    images = [
        cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (56, 42), interpolation=cv2.INTER_CUBIC) for _ in range(4)
    ]
    quantize(file, small, images, allow_drop=True)
    batch = np.stack(images)
    with torch.inference_mode():
        expected = model(model.normalize(torch.from_numpy(batch))).numpy()
    for backend, precision, least in WAYS:
        if not {part.upper() for part in precision.split("-")} <= {*OFFERED, "FP32"}:
            continue
        extractor = open_extractor(
            small if precision.startswith("int8") else file, backend=backend, precision=precision
        )
        if precision == "fp16" and name in OUT_OF_HALF_RANGE:
            with pytest.raises(BackendError, match="not finite; use precision fp32"):
                extractor.run(batch[:1])
            continue
        for count in (1, 4):
            descriptors = extractor.run(batch[:count])
            assert descriptors.shape == (count, model.descriptor_dim)
            assert (descriptors * expected[:count]).sum(axis=1).min() >= least, (backend, precision, count)
