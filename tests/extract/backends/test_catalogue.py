"""Which runtimes there are, and what the refusal of one that cannot be used says."""

from __future__ import annotations

import re
import sys

import pytest

from a2gc_ros.errors import BackendError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.backends.catalogue import FILE_BACKENDS, installed_file_backends, load_backend
from a2gc_ros.system.installation import pip_install


@pytest.mark.parametrize("name", list(FILE_BACKENDS))
def test_a_runtime_that_is_not_installed_is_refused_with_what_installs_it(small, monkeypatch, name):
    monkeypatch.setitem(sys.modules, FILE_BACKENDS[name].packages[0], None)
    command = re.escape(pip_install(FILE_BACKENDS[name].extra))
    with pytest.raises(BackendError, match=rf"{name} is not usable here .* install it with: {command}"):
        open_extractor(small.file, backend=name)


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


def test_loading_gives_the_class_of_the_runtime():
    assert load_backend("onnxruntime").name == "onnxruntime"
