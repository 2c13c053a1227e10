"""What only an NVIDIA GPU can show, of every runtime for one that is installed; skipped where there is no GPU."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from a2gc_ros.errors import BackendError
from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.extract.backends.catalogue import FILE_BACKENDS
from a2gc_ros.extract.engines.key import EngineOptions
from a2gc_ros.extract.gpu import has_gpu
from a2gc_ros.models import checkpoints
from a2gc_ros.shipped import shipped_models

pytestmark = pytest.mark.skipif(not has_gpu(), reason="needs an NVIDIA GPU")

LEAST_COSINE = {"fp32": 0.9999, "fp16": 0.999, "bf16": 0.999}
NOT_INSTALLED = ("is not usable here", "put onnxruntime-gpu in its place", "was built for is missing")
FILES = ("tensorrt", "tensorrt-rtx", "onnxruntime-tensorrt", "onnxruntime-cuda")
(SHIPPED,) = shipped_models().values()


def start(sample, backend: str, precision: str, folder) -> Extractor:
    """Opens a model, or skips what is not installed here; what is installed and does not run is a failure."""
    model = sample.file
    if backend.startswith("torch"):
        model = folder / "model.safetensors"
        checkpoints.save(sample.model, model)
    try:
        return open_extractor(model, backend=backend, precision=precision, engine=EngineOptions(folder))
    except BackendError as error:
        if any(said in str(error) for said in NOT_INSTALLED):
            pytest.skip(str(error))
        raise


def agree(sample, extractor: Extractor, count: int) -> None:
    batch = sample.batch(count, seed=count)
    cosines = (extractor.run(batch) * sample.expected(batch)).sum(axis=1)
    assert cosines.min() > LEAST_COSINE[extractor.precision]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("backend", [*FILES, "torch"])
def test_single_images_and_batches_agree_with_pytorch_on_a_cpu(sample, backend, precision, tmp_path):
    if backend.startswith("onnxruntime") and precision == "bf16":
        pytest.skip("ONNX Runtime does not compute in bf16 on a GPU")
    extractor = start(sample, backend, precision, tmp_path)
    assert (extractor.backend, extractor.precision) == (backend, precision)
    # Twice one image: the second call runs what the first one recorded. 17 is more than the largest batch.
    for count in (1, 1, 3, 17, 1):
        agree(sample, extractor, count)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_compiled_torch_agrees_with_eager_torch(small, precision, tmp_path):
    extractor = start(small, "torch-compile", precision, tmp_path)
    for count in (1, 1, 2):
        agree(small, extractor, count)


@pytest.mark.parametrize("backend", FILES)
def test_threads_may_share_an_extractor(small, backend, tmp_path):
    extractor = start(small, backend, "fp32", tmp_path)
    batches = [small.batch(1 + seed % 3, seed) for seed in range(24)]
    expected = [extractor.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(extractor.run, batches), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_a_second_start_finds_the_engine(small, backend, tmp_path, caplog):
    first = start(small, backend, "fp16", tmp_path).run(small.batch(1))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        second = start(small, backend, "fp16", tmp_path).run(small.batch(1))
    assert "built" not in caplog.text
    np.testing.assert_allclose(second, first, atol=1e-3)


def test_auto_takes_what_runs_on_the_gpu_and_tells_its_memory(tmp_path):
    extractor = open_extractor(SHIPPED, engine=EngineOptions(tmp_path))
    assert extractor.backend in (name for name in FILE_BACKENDS if name in FILES)
    assert extractor.precision == "fp32"
    used, total = extractor.gpu_memory_mb() or (0.0, 0.0)
    assert 0 < used < total


@pytest.mark.parametrize("backend", ["torch", *FILES])
def test_a_full_gpu_is_an_error_that_says_so(small, backend, tmp_path):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a torch that sees the GPU, to fill its memory")
    start(small, backend, "fp32", tmp_path)
    hoard = []
    step = torch.cuda.mem_get_info()[0]
    while step >= 512:
        try:
            hoard.append(torch.empty(step, dtype=torch.uint8, device="cuda"))
        except torch.cuda.OutOfMemoryError:
            step //= 2

    def describe() -> None:
        start(small, backend, "fp32", tmp_path).run(small.batch(16))

    try:
        with pytest.raises(BackendError, match="memory is full"):
            describe()
    finally:
        hoard.clear()
        torch.cuda.empty_cache()
    agree(small, start(small, backend, "fp32", tmp_path), 2)
