"""What CUDA's refusals say."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.gpu import has_gpu

without_gpu = pytest.mark.skipif(has_gpu(), reason="says what happens on a machine without an NVIDIA GPU")


@without_gpu
def test_cuda_says_that_there_is_no_gpu():
    pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    from a2gc_ros.extract.engines import cuda_calls

    for ask in (cuda_calls.first_gpu, cuda_calls.CudaStream):
        with pytest.raises(BackendError, match=r"No NVIDIA GPU can be used here .* use a CPU backend"):
            ask()
    with pytest.raises(BackendError, match=r"No NVIDIA GPU|CUDA failed in cudaHostAlloc"):
        cuda_calls.Mirror((2, 2), np.float32)


def test_a_full_gpu_is_said_to_be_full():
    pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    from cuda.bindings.runtime import cudaError_t

    from a2gc_ros.extract.engines.cuda_calls import call

    def fails(size):
        return (cudaError_t.cudaErrorMemoryAllocation, None)

    with pytest.raises(BackendError, match="the GPU's memory is full"):
        call(fails, 10)
