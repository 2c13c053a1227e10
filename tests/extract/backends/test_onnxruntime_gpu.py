"""What ONNX Runtime says of a GPU's failures, as recorded on one, becomes a reason that a person can act on."""

from __future__ import annotations

import pytest

from a2gc_ros.extract.backends.onnxruntime_gpu import reason_of
from a2gc_ros.extract.gpu import OUT_OF_MEMORY

AROUND = (
    "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /onnxruntime_src/providers/cuda/cuda_call.cc:154 "
    "std::conditional_t<THRW, void, Status> onnxruntime::CudaCall(ERRTYPE, const char*) [with ERRTYPE = cudaError] "
)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            f"{AROUND}CUBLAS failure 3: the resource allocation failed ; GPU=0 ; hostname=vm ; expr=cublasCreate() ",
            OUT_OF_MEMORY,
        ),
        (f"{AROUND}CUDA failure 2: out of memory ; GPU=0 ; hostname=vm", OUT_OF_MEMORY),
        ("/onnxruntime_src/bfc_arena.cc:359 Failed to allocate memory for requested buffer of size 10", OUT_OF_MEMORY),
        (
            f"{AROUND}CUDA failure 715: an illegal instruction was encountered ; GPU=0 ; hostname=vm ; line=85 ",
            "CUDA failure 715: an illegal instruction was encountered",
        ),
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : no such type\nsecond line", None),
        ("", "RuntimeError"),
    ],
)
def test_what_is_said_becomes_a_reason(said, reason):
    assert reason_of(RuntimeError(said)) == (said.splitlines()[0] if reason is None else reason)
