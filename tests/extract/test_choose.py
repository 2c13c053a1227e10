"""Which runtime is taken, and what stands in for one that cannot run."""

from __future__ import annotations

import sys

import pytest

from a2gc_ros.errors import BackendError, ModelError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.backends.catalogue import FILE_BACKENDS
from a2gc_ros.extract.choose import find_file
from a2gc_ros.extract.gpu import has_gpu

without_gpu = pytest.mark.skipif(has_gpu(), reason="says what happens on a machine without an NVIDIA GPU")


@without_gpu
def test_auto_leaves_gpus_out_where_there_is_none(small):
    extractor = open_extractor(small.file)
    assert extractor.backend == "openvino"
    assert extractor.reason == "There is no NVIDIA GPU. The fastest runtime that is left."


@without_gpu
@pytest.mark.parametrize(
    ("backend", "precision", "missing", "taken"),
    [
        ("tensorrt", "fp32", (), ("openvino", "fp32")),
        ("onnxruntime-cuda", "fp32", (), ("openvino", "fp32")),
        ("tensorrt", "fp32", ("openvino",), ("onnxruntime", "fp32")),
        # ONNX Runtime computes in float32 only, which is better than nothing.
        ("tensorrt-rtx", "fp16", ("openvino",), ("onnxruntime", "fp32")),
        ("openvino", "fp32", ("openvino",), ("onnxruntime", "fp32")),
    ],
)
def test_with_fallback_the_next_runtime_is_taken_with_a_warning(
    small, monkeypatch, caplog, backend, precision, missing, taken
):
    for package in missing:
        monkeypatch.setitem(sys.modules, package, None)
    for package in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError):
        open_extractor(small.file, backend=backend, precision=precision)
    caplog.clear()
    extractor = open_extractor(small.file, backend=backend, precision=precision, fallback=True)
    assert (extractor.backend, extractor.precision) == taken
    assert extractor.run(small.batch(1)).shape == (1, small.model.descriptor_dim)
    assert any(record.levelname == "WARNING" and backend in record.message for record in caplog.records)
    assert backend in extractor.reason


def test_with_fallback_and_nothing_to_fall_back_to_every_refusal_is_told(small, monkeypatch):
    for backend in FILE_BACKENDS.values():
        monkeypatch.setitem(sys.modules, backend.packages[0], None)
    with pytest.raises(BackendError, match=r"No runtime can run .*tensorrt is .*openvino is .*onnxruntime is "):
        open_extractor(small.file, backend="tensorrt", fallback=True)


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime-cuda", "openvino"])
def test_what_was_not_exported_runs_only_in_torch(backend):
    with pytest.raises(ModelError, match="export it first"):
        open_extractor("salad-dinov2-vitb14", backend=backend)


@pytest.mark.parametrize("backend", ["torch", "torch-compile"])
def test_torch_runs_no_onnx_files(small, backend):
    with pytest.raises(BackendError, match="which torch does not run"):
        open_extractor(small.file, backend=backend)


def test_a_former_name_gives_what_took_its_place_and_says_so(caplog):
    assert find_file("a2gc-mobilenetv2") == find_file("a2gc-efficientnet-lite0")
    assert "a2gc-efficientnet-lite0 takes its place" in caplog.text
    assert "a2gc map redescribe" in caplog.text
