"""Which runtime is taken, what stands in for one that cannot run, and what a refusal says."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from a2gc_ros.errors import BackendError, ModelError
from a2gc_ros.extract import Extractor, ModelSpec, open_extractor
from a2gc_ros.extract.backends import FILE_BACKENDS, installed_file_backends, load_backend
from a2gc_ros.extract.gpu import has_gpu
from a2gc_ros.images.preprocess import Preprocessing

without_gpu = pytest.mark.skipif(has_gpu(), reason="says what happens on a machine without an NVIDIA GPU")


@pytest.mark.parametrize("name", list(FILE_BACKENDS))
def test_a_runtime_that_is_not_installed_is_refused_with_what_installs_it(small, monkeypatch, name):
    monkeypatch.setitem(sys.modules, FILE_BACKENDS[name].packages[0], None)
    with pytest.raises(BackendError, match=rf"{name} is not usable here .*{re.escape(FILE_BACKENDS[name].install)}"):
        open_extractor(small.file, backend=name)


def test_every_extra_that_a_refusal_names_exists(repository):
    setup = (repository / "setup.py").read_text(encoding="utf-8")
    extras = [re.findall(r"a2gc_ros\[([\w-]+)\]", backend.install) for backend in FILE_BACKENDS.values()]
    assert all(f'"{extra}": [' in setup for (extra,) in extras)


def test_files_are_checked_in_the_runtimes_of_the_cpu():
    assert installed_file_backends() == ["openvino", "onnxruntime"]


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("onnxruntime-cuda", "no CUDAExecutionProvider .* put onnxruntime-gpu in its place"),
        ("onnxruntime-tensorrt", "no TensorrtExecutionProvider .* put onnxruntime-gpu in its place"),
    ],
)
def test_the_onnxruntime_of_cpus_is_refused_for_a_gpu(small, backend, words):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")
    with pytest.raises(BackendError, match=words):
        open_extractor(small.file, backend=backend)


def test_cuda_through_onnxruntime_does_not_compute_in_bf16(small):
    with pytest.raises(BackendError, match="onnxruntime-cuda does not compute in bf16; use fp32 or fp16"):
        open_extractor(small.file, backend="onnxruntime-cuda", precision="bf16")


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


def test_loading_gives_the_class_of_the_runtime():
    assert load_backend("onnxruntime").name == "onnxruntime"


class OnAGpu:
    name, precision = "tensorrt", "fp16"

    def __call__(self, batch):
        return np.ones((len(batch), 4), np.float32)

    def gpu_memory_mb(self):
        return 2000.0, 8000.0


class OnACpu:
    name, precision = "openvino", "fp32"
    __call__ = OnAGpu.__call__


@pytest.mark.parametrize(("runtime", "told"), [(OnAGpu(), (2000.0, 8000.0)), (OnACpu(), None)])
def test_a_gpus_memory_is_told_where_one_is_used(runtime, told):
    extractor = Extractor(ModelSpec("m", 4, Preprocessing(2, 2), "0" * 64, "CC0-1.0"), runtime)
    assert extractor.gpu_memory_mb() == told


@without_gpu
def test_cuda_says_that_there_is_no_gpu():
    pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    from a2gc_ros.extract import cuda_calls

    for ask in (cuda_calls.first_gpu, cuda_calls.memory_mb, cuda_calls.Stream):
        with pytest.raises(BackendError, match=r"No NVIDIA GPU can be used here .* use a CPU backend"):
            ask()
    with pytest.raises(BackendError, match=r"No NVIDIA GPU|CUDA failed in cudaHostAlloc"):
        cuda_calls.Mirror((2, 2), np.float32)


def test_a_full_gpu_is_said_to_be_full():
    pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    from cuda.bindings.runtime import cudaError_t

    from a2gc_ros.extract.cuda_calls import call

    def fails(size):
        return (cudaError_t.cudaErrorMemoryAllocation, None)

    with pytest.raises(BackendError, match="the GPU's memory is full"):
        call(fails, 10)
